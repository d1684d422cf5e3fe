//! Documents a provider can fetch: `/files/order-{id}.pdf`, `/files/order-{id}.docx`, and a login page that is neither.

use axum::Router;
use axum::extract::Path;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use crate::{docx, pdf};

const DOCX_TYPE: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// The routes; merged into every simulator by [`crate::Kit::serve`].
pub(crate) fn router() -> Router {
    Router::new().route("/files/{name}", get(file))
}

/// The order form with this number, as PDF.
pub fn order_pdf(id: &str) -> Vec<u8> {
    pdf::two_pages(&format!("Order form {id}"), &order_lines(id).each_ref().map(String::as_str))
}

/// The order form with this number, as Word document.
pub fn order_docx(id: &str) -> Vec<u8> {
    docx::document(&order_lines(id).each_ref().map(String::as_str))
}

fn order_lines(id: &str) -> [String; 5] {
    [
        format!("Order number {id}"),
        "The customer orders the services described in the offer.".to_owned(),
        "Term: twelve months from the date of the last signature.".to_owned(),
        "Payment: within thirty days of the invoice.".to_owned(),
        "Please sign on the second page.".to_owned(),
    ]
}

async fn file(Path(name): Path<String>) -> Response {
    if name == "login.html" {
        return Html("<html><body><h1>Please log in</h1></body></html>").into_response();
    }
    let Some((id, kind)) = name.strip_prefix("order-").and_then(|rest| rest.rsplit_once('.')) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match kind {
        "pdf" => ([(header::CONTENT_TYPE, "application/pdf")], order_pdf(id)).into_response(),
        "docx" => ([(header::CONTENT_TYPE, DOCX_TYPE)], order_docx(id)).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
