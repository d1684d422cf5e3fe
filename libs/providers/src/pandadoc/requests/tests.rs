use std::collections::BTreeMap;

use outbound::Body;

use super::*;

fn parties(role: &str) -> Parties {
    let person = (role.to_owned(), "Dana Maria Buyer".to_owned(), "dana@buyer.test".to_owned());
    Parties::sequential([person]).expect("well-formed parties")
}

fn order(source: Source, role: &str) -> CreateOrder {
    CreateOrder {
        name: "Order form".to_owned(),
        source,
        parties: parties(role),
        auto_send: false,
        correlation: BTreeMap::new(),
        webhook_url: None,
        way: None,
    }
}

fn made(source: Source) -> Result<Request, ProviderError> {
    create(
        &order(source, "Client"),
        "https://api.pandadoc.test/public/v1/documents".parse().expect("an address"),
    )
}

fn upload(content_type: &str, begin: &[u8], bytes: usize) -> Source {
    let mut content = begin.to_vec();
    content.resize(bytes, b' ');
    Source::Upload {
        file_name: "order.pdf".to_owned(),
        content_type: content_type.to_owned(),
        bytes: content.into(),
    }
}

fn refusal(source: Source) -> (Class, Retry, String) {
    let error = made(source).expect_err("refused");
    (error.class, error.retry, error.code)
}

#[test]
fn an_upload_beyond_the_vendors_megabytes_is_refused_before_it_is_sent() {
    assert!(made(upload("application/pdf", b"%PDF-1.7", 50_000_000)).is_ok());
    let refused = refusal(upload("application/pdf", b"%PDF-1.7", 50_000_001));
    assert_eq!(refused, (Class::TooLarge, Retry::Never, "upload_too_large".to_owned()));
}

#[test]
fn an_upload_that_is_no_pdf_is_refused_before_it_is_sent() {
    for source in
        [upload("application/msword", b"%PDF-1.7", 100), upload("application/pdf", b"PK\x03\x04", 100)]
    {
        let refused = refusal(source);
        assert_eq!(refused, (Class::InvalidRequest, Retry::Never, "upload_not_pdf".to_owned()));
    }
}

#[test]
fn a_body_beyond_the_vendors_megabytes_is_refused_before_it_is_sent() {
    let prefill = |bytes: usize| BTreeMap::from([("Client.Company".to_owned(), "x".repeat(bytes))]);
    let template = |bytes| Source::Template { id: "t1".to_owned(), prefill: prefill(bytes) };
    assert!(made(template(1_900_000)).is_ok());
    assert_eq!(refusal(template(2_000_000)).2, "body_too_large");
    assert_eq!(refusal(Source::Url(format!("https://x.test/{}", "x".repeat(2_000_000)))).0, Class::TooLarge);
}

#[test]
fn a_recipient_without_a_role_would_only_get_a_copy_and_is_refused() {
    let url = "https://api.pandadoc.test/public/v1/documents".parse().expect("an address");
    let order = order(Source::Url("https://x.test/order.pdf".to_owned()), " ");
    assert_eq!(create(&order, url).expect_err("refused").code, "role_missing");
}

#[test]
fn uploads_and_addresses_say_alike_that_fields_are_marked_in_the_text() {
    let by_address = made(Source::Url("https://x.test/order.pdf".to_owned())).expect("an order");
    let Body::Bytes { bytes, .. } = by_address.body else { panic!("JSON") };
    let by_upload = made(upload("application/pdf", b"%PDF-1.7", 100)).expect("an order");
    let Body::Multipart(parts) = by_upload.body else { panic!("a form") };
    assert_eq!(by_upload.url.query(), Some("upload"));
    let data = parts.iter().find(|part| part.name == "data").expect("the data").bytes.clone();
    for body in [bytes, data] {
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["parse_form_fields"], json!(false));
        assert_eq!(body["recipients"][0]["first_name"], "Dana Maria");
        assert_eq!(body["recipients"][0]["last_name"], "Buyer");
        assert_eq!(
            (&body["recipients"][0]["role"], &body["recipients"][0]["signing_order"]),
            (&json!("Client"), &json!(1))
        );
    }
}
