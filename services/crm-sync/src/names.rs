//! Which properties of a record a flow's expressions use, so that exactly those are read from the CRM.

use std::collections::BTreeSet;

use runtime::config::Flow;

/// Most properties read for one flow.
const PROPERTIES_MAX: usize = 100;

/// The names after `record.` in any text of the flow's envelope and in the given texts.
pub fn record_properties<'a>(flow: &'a Flow, further: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let templates = flow.templates();
    let plan = templates.iter().filter(|(path, _)| path.starts_with("envelope.")).map(|(_, text)| *text);
    let mut names: BTreeSet<String> = plan.chain(further).flat_map(names_in).collect();
    names.extend(flow.envelope.upload.clone());
    names.into_iter().take(PROPERTIES_MAX).collect()
}

/// The names after `record.` in one text.
fn names_in(text: &str) -> Vec<String> {
    let after = text.match_indices("record.").filter(|(start, _)| !continues_a_name(text, *start));
    after
        .map(|(start, found)| {
            let rest = &text[start + found.len()..];
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn continues_a_name(text: &str, start: usize) -> bool {
    text[..start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::names_in;

    #[test]
    fn the_names_after_record_are_found_wherever_they_stand() {
        let text = r#"{{ record.buyer_name }}, {{ record.city | upper }}{% if record.vat %}x{% endif %}"#;
        assert_eq!(names_in(text), ["buyer_name", "city", "vat"]);
    }

    #[test]
    fn other_names_that_end_alike_are_not_taken() {
        assert!(names_in("{{ my_record.name }} {{ deal.record.name }} record. ").is_empty());
    }
}
