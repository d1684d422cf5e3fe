//! A configuration that is not understood is refused before anything starts, with the line and the mend.

use anyhow::Result;
use system_tests::process::{Countersign, Options, binary};

use crate::vendors::{configuration_text, secrets};

/// How `up --config` ends with this text: what it printed as errors.
async fn refusal(text: &str, environment: Vec<(String, String)>) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let configuration = directory.path().join("countersign.yaml");
    std::fs::write(&configuration, text)?;
    let options = Options {
        simulators: false,
        arguments: vec!["--config".to_owned(), configuration.display().to_string()],
        environment,
        ..Options::embedded(directory.path())
    };
    let (success, said) = Countersign::up_refused(&options).await?;
    assert!(!success, "it started:\n{text}");
    assert!(!said.contains("panicked"), "{said}");
    Ok(said)
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_line_and_the_mend() -> Result<()> {
    let text = configuration_text().replace("    api_keys:", "    api_kees:");
    let line = text.lines().position(|line| line.contains("api_kees")).map(|index| index + 1);
    let said = refusal(&text, secrets()).await?;
    assert!(said.contains("CS-CONFIG-002"), "{said}");
    assert!(said.contains(&format!("line {}", line.unwrap_or_default())), "{said}");
    assert!(said.contains("api_kees") && said.contains("api_keys"), "{said}");
    Ok(())
}

#[tokio::test]
async fn config_check_names_every_mistake_at_once_and_praises_a_good_file() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("countersign.yaml");
    let two = configuration_text().replace("    api_keys:", "    api_kees:").replace("portal_id", "portal");
    std::fs::write(&file, two)?;
    let (success, said) = Countersign::config_check(&file, &secrets()).await?;
    assert!(!success, "{said}");
    assert!(said.contains("api_kees") && said.contains("portal") && said.contains("CS-CONFIG-002"), "{said}");

    std::fs::write(&file, configuration_text())?;
    let (success, said) = Countersign::config_check(&file, &secrets()).await?;
    assert!(success, "{said}");
    Ok(())
}

#[tokio::test]
async fn config_check_warns_of_signatures_without_a_time_and_lets_the_file_pass() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("countersign.yaml");
    let weak = configuration_text().replace("portal_id", "options: {allow_legacy_v1: true}\n    portal_id");
    std::fs::write(&file, weak)?;
    let (success, said) = Countersign::config_check(&file, &secrets()).await?;
    assert!(success && said.contains("allow_legacy_v1") && said.contains("no timestamp"), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_the_configuration_allows_at_a_price_is_said_once_at_the_start_and_by_config_check() -> Result<()>
{
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("countersign.yaml");
    let weak = configuration_text()
        .replace("portal_id", "options: {allow_legacy_v1: true}\n    portal_id")
        .replacen("http://127.0.0.1:9", "https://api.acme.invalid", 1)
        .replacen("    kind: atlas", "    allow_test_keys: true\n    kind: atlas", 1);
    std::fs::write(&file, weak)?;
    let options = Options {
        simulators: false,
        arguments: vec!["--config".to_owned(), file.display().to_string()],
        environment: secrets(),
        ..Options::embedded(directory.path())
    };
    Countersign::up(&options).await?.stop().await?;
    let said = std::fs::read_to_string(options.output())?;
    for warning in ["allow_legacy_v1", "allow_test_keys"] {
        assert_eq!(said.lines().filter(|line| line.contains(warning)).count(), 1, "{said}");
    }
    for (_, secret) in secrets() {
        assert!(!said.contains(&secret), "a secret is printed");
    }
    let (success, said) = Countersign::config_check(&file, &secrets()).await?;
    assert!(success && said.contains("allow_test_keys"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_region_that_the_vendor_does_not_have_is_refused_with_those_it_has() -> Result<()> {
    let fenced = |region: &str| {
        let sources = format!("kind: pandadoc\n    source_ips: {{mode: enforce, regions: [{region}]}}");
        configuration_text().replacen("kind: pandadoc", &sources, 1)
    };
    let said = refusal(&fenced("us, mars"), secrets()).await?;
    assert!(said.contains("no region `mars`") && said.contains("known: us, eu"), "{said}");
    Ok(())
}

#[tokio::test]
async fn an_unknown_connection_in_a_flow_is_refused() -> Result<()> {
    let flow = "flows:\n  - name: lost\n    when: {connection: nobody, event: deal.propertyChange}\n    \
                envelope: {provider: atlas-main, title: T, document_url: \"http://a.test/x.pdf\", parties: [], send: review}\n    \
                write: []\n";
    let said = refusal(&configuration_text().replace("flows: []\n", flow), secrets()).await?;
    assert!(said.contains("CS-CONFIG-003") && said.contains("nobody"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_connection_without_a_key_never_starts_and_no_secret_is_printed() -> Result<()> {
    let mut environment = secrets();
    environment.retain(|(name, _)| name != "BAD_INPUT_ATLAS");
    let said = refusal(&configuration_text(), environment.clone()).await?;
    assert!(said.contains("BAD_INPUT_ATLAS"), "{said}");
    for (_, secret) in environment {
        assert!(!said.contains(&secret), "a secret is printed:\n{said}");
    }
    Ok(())
}

#[tokio::test]
async fn text_that_is_no_yaml_is_refused_with_its_line() -> Result<()> {
    let said = refusal("tenants:\n  acme: {}\nconnections: [\n", secrets()).await?;
    assert!(said.contains("CS-CONFIG-001"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_reader_who_left_before_the_answer_is_no_mishap() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("countersign.yaml");
    std::fs::write(&file, configuration_text())?;
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let mut command = tokio::process::Command::new(binary()?);
    command.args(["config", "check"]).arg(&file).envs(secrets()).stdout(writer);
    let ended = command.stderr(std::process::Stdio::piped()).output().await?;
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Ok(())
}
