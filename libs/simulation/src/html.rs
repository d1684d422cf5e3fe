//! Plain pages: readable, one look for all simulators, no script.

use std::fmt::Write;

use crate::webhooks::DeliveryRecord;

const STYLE: &str = "
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#1d2330}
header{background:#1d2330;color:#fff;padding:.7rem 1.5rem;font-weight:600}header small{font-weight:400;opacity:.7}
main{max-width:56rem;margin:1.5rem auto;padding:0 1rem}
section{background:#fff;border:1px solid #dfe3ea;border-radius:.5rem;padding:1rem 1.25rem;margin:0 0 1rem}
h1{font-size:1.4rem;margin:.2rem 0 1rem}h2{font-size:1rem;margin:0 0 .6rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid #eceff4;vertical-align:top}
th{font-weight:600;color:#5a6478;font-size:.85rem}
button{font:inherit;padding:.5rem 1.1rem;border-radius:.4rem;border:1px solid #1d2330;background:#1d2330;color:#fff;cursor:pointer}
button.quiet{background:transparent;color:inherit}form{display:inline-block;margin:0 .6rem .4rem 0}
input,select{font:inherit;padding:.4rem;border:1px solid #b9c1cf;border-radius:.3rem}
.tag{display:inline-block;padding:.05rem .5rem;border-radius:1rem;background:#e6ebf5;font-size:.85rem}
.test{background:#ffe9a8;color:#4d3b00;padding:.5rem 1rem;border-radius:.4rem;margin-bottom:1rem}
code{font-size:.85rem;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{background:#12151c;color:#e6e9f0}section{background:#1b202b;border-color:#2c3444}th,td{border-color:#2c3444}.tag{background:#2c3853}input,select{background:#12151c;color:inherit}button{border-color:#8795b5}}
";

/// A whole page. `body` is HTML already; use [`escape`] for everything that is not yours.
pub fn page(vendor: &str, title: &str, body: &str) -> String {
    let (vendor, title) = (escape(vendor), escape(title));
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{title} – {vendor}</title><style>{STYLE}</style>\
         <header>{vendor} <small>simulator</small></header><main><h1>{title}</h1>{body}</main></html>"
    )
}

/// Text as text.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// A section with a heading.
pub fn section(heading: &str, body: &str) -> String {
    format!("<section><h2>{}</h2>{body}</section>", escape(heading))
}

/// A table; cells are HTML already.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = head.iter().map(|cell| format!("<th>{}</th>", escape(cell))).collect();
    let mut html = format!("<table><tr>{head}</tr>");
    for row in rows {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        // Writing to a string does not fail.
        let _ = write!(html, "<tr>{cells}</tr>");
    }
    html + "</table>"
}

/// A button that posts to `action` with the given hidden fields.
pub fn button(action: &str, label: &str, fields: &[(&str, &str)]) -> String {
    let hidden = |(name, value): &(&str, &str)| {
        format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    let fields: String = fields.iter().map(hidden).collect();
    format!(
        "<form method=post action=\"{}\">{fields}<button>{}</button></form>",
        escape(action),
        escape(label)
    )
}

/// The panel with every attempt at delivering webhooks.
pub fn deliveries(deliveries: &[DeliveryRecord]) -> String {
    let mut rows = vec![];
    for delivery in deliveries {
        let state = format!("{:?}", delivery.state).to_lowercase();
        if delivery.attempts.is_empty() {
            rows.push(vec![
                escape(&delivery.event),
                "–".into(),
                String::new(),
                escape(&state),
                String::new(),
            ]);
        }
        for attempt in &delivery.attempts {
            let answer = attempt
                .status
                .map_or_else(|| attempt.error.unwrap_or("–").to_owned(), |code| code.to_string());
            let last = usize::try_from(attempt.number).is_ok_and(|number| number == delivery.attempts.len());
            let next = delivery.next_try.clone().filter(|_| last).unwrap_or_default();
            let state = if last { state.clone() } else { String::new() };
            rows.push(vec![
                escape(&delivery.event),
                attempt.number.to_string(),
                escape(&attempt.at),
                answer + " " + &state,
                next,
            ]);
        }
    }
    if rows.is_empty() {
        return section("Webhook deliveries", "<p>None so far.</p>");
    }
    section("Webhook deliveries", &table(&["Event", "Attempt", "At", "Answer", "Next try"], &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_stays_text() {
        let html = button("/x", "Send", &[("a", "\"><script>")]);
        assert!(!html.contains("<script>"));
        assert!(page("Vendor", "<b>", "").contains("&lt;b&gt;"));
    }
}
