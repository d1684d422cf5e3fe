//! A real `countersign` process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use testkit::nats::NatsServer;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longest wait for a process to be ready or to end.
pub const PROCESS_DEADLINE: Duration = Duration::from_secs(60);
/// Longest wait for a demo of a few journeys: ten seconds of it, on a machine that is busy with others.
const DEMO_DEADLINE: Duration = Duration::from_secs(180);

/// Flags that name an address to listen on. Each takes a free port unless the arguments name it.
const LISTEN: [&str; 5] = [
    "--ingress-listen",
    "--verification-listen",
    "--orchestrator-listen",
    "--crm-sync-listen",
    "--admin-listen",
];

/// How the process is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its data, configuration and output go; the caller keeps the directory alive.
    pub directory: PathBuf,
    /// Address and monitoring address of a nats-server; `None` for the embedded log.
    pub nats: Option<(String, String)>,
    /// `--roles`.
    pub roles: String,
    /// Whether the simulators run in the process.
    pub simulators: bool,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further environment.
    pub environment: Vec<(String, String)>,
}

impl Options {
    /// Everything in one process on the embedded log, with the simulators.
    pub fn embedded(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            nats: None,
            roles: "all".to_owned(),
            simulators: true,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Everything in one process on JetStream, with the simulators.
    pub fn on(server: &NatsServer, directory: impl Into<PathBuf>) -> Self {
        let nats = (server.url().to_owned(), server.monitoring_url().to_owned());
        Self { nats: Some(nats), ..Self::embedded(directory) }
    }

    /// The file that takes everything the process prints to standard error, over all its lives.
    pub fn output(&self) -> PathBuf {
        self.directory.join("countersign.log")
    }
}

/// A running process. Killed when dropped.
pub struct Countersign {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it said when it was ready: its addresses by name.
    pub ready: Value,
}

impl Countersign {
    /// Starts `countersign up --json` and waits until it is ready.
    ///
    /// # Errors
    /// When the binary is missing, ends early, or is not ready within [`PROCESS_DEADLINE`].
    pub async fn up(options: &Options) -> Result<Self> {
        Self::start(up_command(options)?, &options.output()).await
    }

    /// Runs `countersign up --json` to its end and tells how it ended: `(success, everything it printed)`.
    ///
    /// # Errors
    /// When the binary is missing or does not end within [`PROCESS_DEADLINE`].
    pub async fn up_refused(options: &Options) -> Result<(bool, String)> {
        ended(up_command(options)?, PROCESS_DEADLINE).await
    }

    /// Runs `countersign config check` on a file; gives `(success, everything it printed)`.
    ///
    /// # Errors
    /// When the binary is missing or does not end within [`PROCESS_DEADLINE`].
    pub async fn config_check(file: &Path, environment: &[(String, String)]) -> Result<(bool, String)> {
        let mut command = Command::new(binary()?);
        command.args(["config", "check"]).arg(file).envs(environment.iter().map(|(key, value)| (key, value)));
        ended(command, PROCESS_DEADLINE).await
    }

    async fn start(mut command: Command, output: &Path) -> Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(output)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start countersign")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                let said: Value = serde_json::from_str(&line).context("standard output is not JSON lines")?;
                if said["event"] == "ready" {
                    return anyhow::Ok(said);
                }
            }
            anyhow::bail!("it ended before it was ready; its output:\n{}", tail(output))
        };
        let ready = tokio::time::timeout(PROCESS_DEADLINE, ready)
            .await
            .with_context(|| format!("it was not ready in time; its output:\n{}", tail(output)))??;
        Ok(Self { child, lines, ready })
    }

    /// One of its addresses, by name: `ingress`, `orchestrator`, `hubspot` …
    ///
    /// # Errors
    /// When it serves nothing by that name.
    pub fn address(&self, name: &str) -> Result<&str> {
        self.ready[name].as_str().with_context(|| format!("the ready line names no {name}"))
    }

    /// The next line of standard output, as JSON.
    ///
    /// # Errors
    /// When it ends or prints something else.
    pub async fn next_line(&mut self) -> Result<Value> {
        let line = self.lines.next_line().await?.context("standard output ended")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Kills it without warning (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill countersign")
    }

    /// Asks it to end (SIGTERM) and waits until it did, with success.
    ///
    /// # Errors
    /// When it does not end within [`PROCESS_DEADLINE`], or ends with a failure.
    pub async fn stop(mut self) -> Result<()> {
        let id = self.child.id().context("it ended already")?;
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
        let status = tokio::time::timeout(PROCESS_DEADLINE, self.child.wait()).await??;
        ensure!(status.success(), "countersign ended with {status}");
        Ok(())
    }
}

/// What an operator's verb said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it ended with success.
    pub success: bool,
    /// Its objects, one a line of standard output.
    pub objects: Vec<Value>,
    /// Everything it printed.
    pub said: String,
}

/// Runs `countersign <words> --json` to its end.
///
/// # Errors
/// When the binary is missing or does not end within [`PROCESS_DEADLINE`].
pub async fn operator(words: &[&str], environment: &[(&str, String)]) -> Result<Answer> {
    let mut command = Command::new(binary()?);
    command.args(words).arg("--json").envs(environment.iter().map(|(key, value)| (key, value)));
    answered(command, PROCESS_DEADLINE).await
}

/// Runs `countersign demo --json` to its end, with these journeys only; on the log, in the place and with the
/// environment of the options.
///
/// # Errors
/// When the binary is missing or does not end within three minutes.
pub async fn demo(journeys: &[&str], options: &Options) -> Result<Answer> {
    let mut command = Command::new(binary()?);
    command.args(["demo", "--json", "--only", &journeys.join(",")]);
    log_and_place(&mut command, options);
    answered(command, DEMO_DEADLINE).await
}

async fn answered(command: Command, deadline: Duration) -> Result<Answer> {
    let (success, said) = ended(command, deadline).await?;
    let objects = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    Ok(Answer { success, objects, said })
}

async fn ended(mut command: Command, deadline: Duration) -> Result<(bool, String)> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(deadline, command.output())
        .await
        .context("countersign did not end in time")??;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

/// `countersign up --json` with everything the options say.
fn up_command(options: &Options) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(["up", "--json", "--roles", &options.roles]);
    log_and_place(&mut command, options);
    if options.simulators {
        command.arg("--simulators");
    }
    let named = |flag: &str| options.arguments.iter().any(|argument| argument == flag);
    for flag in LISTEN.into_iter().filter(|flag| !named(flag)) {
        command.args([flag, "127.0.0.1:0"]);
    }
    if options.simulators && !named("--simulators-port") {
        command.args(["--simulators-port", "0"]);
    }
    command.args(&options.arguments);
    Ok(command)
}

/// Where the log stands, where the data lies, and the environment.
fn log_and_place(command: &mut Command, options: &Options) {
    command.arg("--data-dir").arg(options.directory.join("data"));
    if let Some((url, monitoring)) = &options.nats {
        command.args(["--log", "nats", "--nats-url", url, "--nats-monitoring-url", monitoring]);
    }
    command.envs(options.environment.iter().map(|(key, value)| (key, value)));
}

/// The binary under test: `COUNTERSIGN_BIN`, or the one cargo built beside the tests.
///
/// # Errors
/// When it is not there; the message says how to build it.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("COUNTERSIGN_BIN") {
        return Ok(named.into());
    }
    let tests = std::env::current_exe()?;
    let built = tests.ancestors().nth(2).context("tests run from target/<profile>/deps")?.join("countersign");
    ensure!(built.exists(), "{} is missing: run `cargo build -p countersign` first", built.display());
    Ok(built)
}

/// The last lines of a process's output, for the message of a failing test.
fn tail(output: &Path) -> String {
    let text = std::fs::read_to_string(output).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(40).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
