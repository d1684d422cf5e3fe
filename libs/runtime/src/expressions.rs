//! The small language of the configuration: Jinja expressions without files, loops without end, or surprises.
//!
//! A text with `{{ … }}` is a template; a bare `a == "b"` is a condition. An unknown name is an error, never an
//! empty text: an invitation to the e-mail address "" must not happen. A null prints as nothing. Values never
//! stand in an error, because they may be personal.

use std::sync::Arc;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde::Serialize;

/// Steps one evaluation may take.
const FUEL_MAX: u64 = 50_000;

/// Longest text an expression may produce, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// Why an expression could not be parsed or evaluated. Holds the expression as written, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}`: {reason}")]
pub struct ExpressionError {
    /// The expression as it stands in the configuration.
    pub expression: String,
    /// What went wrong, without any value.
    pub reason: String,
}

/// A set of expressions, compiled once and evaluated often. A cheap handle.
#[derive(Clone, Debug)]
pub struct Expressions(Arc<Environment<'static>>);

impl Default for Expressions {
    fn default() -> Self {
        Self(Arc::new(environment()))
    }
}

impl Expressions {
    /// Compiles `templates` and `conditions`.
    ///
    /// # Errors
    /// Every expression that does not parse, in the order given.
    pub fn compile<'a>(
        templates: impl IntoIterator<Item = &'a str>,
        conditions: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Vec<ExpressionError>> {
        let mut environment = environment();
        let mut errors = Vec::new();
        for template in templates {
            errors.extend(add(&mut environment, template, template.to_owned()).err());
        }
        for condition in conditions {
            let compiled = check_condition(condition)
                .and_then(|()| add(&mut environment, condition, as_template(condition)));
            errors.extend(compiled.err());
        }
        if errors.is_empty() { Ok(Self(Arc::new(environment))) } else { Err(errors) }
    }

    /// The text that `template` becomes with the names in `context`.
    ///
    /// # Errors
    /// When it does not parse, uses an unknown name, or exceeds [`OUTPUT_BYTES_MAX`] or the step limit.
    pub fn evaluate(&self, template: &str, context: &impl Serialize) -> Result<String, ExpressionError> {
        self.render(template, || template.to_owned(), context)
    }

    /// Whether `condition` holds with the names in `context`.
    ///
    /// # Errors
    /// As [`Expressions::evaluate`].
    pub fn condition(&self, condition: &str, context: &impl Serialize) -> Result<bool, ExpressionError> {
        if self.0.get_template(&name_of(&as_template(condition))).is_err() {
            check_condition(condition)?;
        }
        let held = self.render(condition, || as_template(condition), context)?;
        Ok(!held.is_empty())
    }

    fn render(
        &self,
        written: &str,
        source: impl Fn() -> String,
        context: &impl Serialize,
    ) -> Result<String, ExpressionError> {
        let source = source();
        let context = Value::from(minijinja::value::Serde(context));
        let rendered = match self.0.get_template(&name_of(&source)) {
            Ok(template) => template.render(context),
            Err(_) => self.0.render_str(&source, context),
        };
        let text = rendered.map_err(|error| refused(written, &error))?;
        if text.len() > OUTPUT_BYTES_MAX {
            return Err(ExpressionError {
                expression: written.to_owned(),
                reason: format!("its text is longer than {OUTPUT_BYTES_MAX} bytes"),
            });
        }
        Ok(text)
    }
}

/// Whether a text of the configuration holds an expression, or is to be taken as it stands.
pub fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_recursion_limit(50);
    environment.set_formatter(|out, state, value| {
        if value.is_none() { Ok(()) } else { minijinja::escape_formatter(out, state, value) }
    });
    environment
}

fn add(environment: &mut Environment<'static>, written: &str, source: String) -> Result<(), ExpressionError> {
    environment.add_template_owned(name_of(&source), source).map_err(|error| refused(written, &error))
}

/// Compiled expressions are found by their own text.
fn name_of(source: &str) -> String {
    source.to_owned()
}

fn as_template(condition: &str) -> String {
    format!("{{% if {condition} %}}true{{% endif %}}")
}

/// A condition must be one expression by itself, so that it cannot escape the `if` it is put into.
fn check_condition(condition: &str) -> Result<(), ExpressionError> {
    match environment().compile_expression(condition) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(condition, &error)),
    }
}

fn refused(written: &str, error: &Error) -> ExpressionError {
    let reason = match (error.kind(), error.detail()) {
        // The detail of a syntax error quotes the configuration; any other detail may quote a value.
        (ErrorKind::SyntaxError, Some(detail)) => format!("syntax error: {detail}"),
        (ErrorKind::UndefinedError, _) => "a name in it is not known here".to_owned(),
        (kind, _) => kind.to_string(),
    };
    ExpressionError { expression: written.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_takes_values_from_the_context_and_escapes_nothing() {
        let expressions = Expressions::compile(["{{ record.name }} & {{ record.note }}"], []).unwrap();
        let context = json!({"record": {"name": "Bo <b>", "note": null}});
        assert_eq!(
            expressions.evaluate("{{ record.name }} & {{ record.note }}", &context).unwrap(),
            "Bo <b> & "
        );
    }

    #[test]
    fn a_condition_is_true_or_false() {
        let condition = r#"property == "dealstage" and value == "contractsent""#;
        let expressions = Expressions::compile([], [condition]).unwrap();
        assert!(
            expressions
                .condition(condition, &json!({"property": "dealstage", "value": "contractsent"}))
                .unwrap()
        );
        assert!(
            !expressions.condition(condition, &json!({"property": "dealstage", "value": "won"})).unwrap()
        );
    }

    #[test]
    fn an_unknown_name_is_an_error_without_values() {
        let error = Expressions::default()
            .evaluate("{{ record.nothing }}", &json!({"record": {"secret": "s3"}}))
            .unwrap_err();
        assert_eq!(error.to_string(), "`{{ record.nothing }}`: a name in it is not known here");
    }

    #[test]
    fn a_condition_cannot_escape_into_a_template() {
        assert!(Expressions::compile([], ["true %}{% endif %}{% if true"]).is_err());
        assert!(Expressions::default().condition("true %}{{ 1 }}{% if true", &json!({})).is_err());
    }

    #[test]
    fn all_expressions_that_do_not_parse_are_reported_together() {
        let errors = Expressions::compile(["{{ a", "{{ b }}"], ["c =="]).unwrap_err();
        assert_eq!(errors.len(), 2);
    }

    #[test]
    fn an_endless_expression_runs_out_of_fuel() {
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
        assert!(Expressions::default().evaluate(endless, &json!({})).is_err());
    }
}
