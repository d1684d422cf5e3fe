//! Which records a flow's condition speaks of: what a CRM can be asked for.
//!
//! A condition is an expression, and only evaluating it says what it accepts. What can be asked of a CRM is less: records
//! whose property has one of these values. Where a condition says no more than that, exactly those are asked for; where
//! it says more, all that have the property, and each is then held against the condition itself.

use crms::Wanted;

/// What can be asked for about a flow with this condition; nothing if it names no property.
pub fn wanted(object_type: &str, condition: &str) -> Vec<Wanted> {
    let whole = plain(condition);
    let (properties, values) = match whole {
        Some((properties, values)) => (properties, values),
        None => (compared(condition, "property"), Vec::new()),
    };
    let one =
        |property: String| Wanted { object_type: object_type.to_owned(), property, values: values.clone() };
    properties.into_iter().map(one).collect()
}

/// Properties and values of a condition that says nothing else: `property == "…" and value == "…"`, with `in […]` for
/// either.
fn plain(condition: &str) -> Option<(Vec<String>, Vec<String>)> {
    let (mut properties, mut values) = (Vec::new(), Vec::new());
    for part in condition.split(" and ") {
        let part = part.trim();
        let (name, found) = match part.strip_prefix("property") {
            Some(rest) => (&mut properties, literals(rest)?),
            None => (&mut values, literals(part.strip_prefix("value")?)?),
        };
        if !name.is_empty() {
            return None;
        }
        *name = found;
    }
    (!properties.is_empty()).then_some((properties, values))
}

/// The texts in `== "…"` or `in ["…", "…"]`, if that is all there is.
fn literals(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if let Some(one) = text.strip_prefix("==") {
        return Some(vec![literal(one)?]);
    }
    let list = text.strip_prefix("in")?.trim().strip_prefix('[')?.strip_suffix(']')?;
    list.split(',').map(literal).collect()
}

fn literal(text: &str) -> Option<String> {
    let text = text.trim();
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let plain = |c: char| c != quote && c != '\\';
    (!inner.is_empty() && inner.chars().all(plain)).then(|| inner.to_owned())
}

/// Every text that `name` is compared with for equality, anywhere in a condition.
fn compared(condition: &str, name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in condition.match_indices(name) {
        let before = condition[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '\'')) {
            continue;
        }
        let rest = condition[at + name.len()..].trim_start();
        let texts = if let Some(rest) = rest.strip_prefix("==") {
            first_quoted(rest)
        } else if let Some((list, _)) = rest.strip_prefix("in").and_then(|rest| rest.split_once(']')) {
            list.trim_start().strip_prefix('[').map(|list| list.split(',').filter_map(literal).collect())
        } else {
            None
        };
        found.extend(texts.unwrap_or_default());
    }
    found.sort();
    found.dedup();
    found
}

fn first_quoted(text: &str) -> Option<Vec<String>> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let (inner, _) = text.strip_prefix(quote)?.split_once(quote)?;
    (!inner.is_empty()).then(|| vec![inner.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(condition: &str) -> Vec<(String, Vec<String>)> {
        wanted("deal", condition).into_iter().map(|one| (one.property, one.values)).collect()
    }

    fn of(property: &str, values: &[&str]) -> (String, Vec<String>) {
        (property.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn a_condition_on_a_stage_asks_for_the_records_in_it() {
        let stage = "property == \"dealstage\" and value == \"contractsent\"";
        assert_eq!(asked(stage), [of("dealstage", &["contractsent"])]);
        let either = "value in ['a', \"b\"] and property == 'dealstage'";
        assert_eq!(asked(either), [of("dealstage", &["a", "b"])]);
    }

    #[test]
    fn a_condition_that_says_more_asks_for_all_that_have_the_property() {
        for more in [
            "property == \"dealstage\" and value.startswith(\"contract\")",
            "property == \"dealstage\" and value == \"a\" and actor == \"human\"",
            "(property == \"dealstage\" and value == \"a\") or value == \"b\"",
            "property == \"dealstage\" and value == \"a\" or value == \"b\"",
            "property in [\"dealstage\"] and not value == \"a\"",
        ] {
            assert_eq!(asked(more), [of("dealstage", &[])], "{more}");
        }
    }

    #[test]
    fn a_condition_that_names_no_property_asks_for_nothing() {
        for blind in ["", "value == \"a\"", "other_property == \"x\"", "property != \"x\""] {
            assert_eq!(asked(blind), [], "{blind}");
        }
    }
}
