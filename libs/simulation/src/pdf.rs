//! Real PDFs: two pages A4 with text a person can read, before and after signing.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};

const LINES_PER_PAGE_MAX: usize = 34;

/// One signature on the signed copy.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Who signed.
    pub name: String,
    /// In which role.
    pub role: String,
    /// When, as text.
    pub signed_at: String,
}

/// A document of two pages: `lines` on the first, the places for signatures on the second.
pub fn two_pages(title: &str, lines: &[&str]) -> Vec<u8> {
    let terms = [
        "Signatures",
        "",
        "Customer: ______________________________",
        "",
        "Company:  ______________________________",
    ];
    write(title, [lines, &terms])
}

/// The signed copy: the same title, and who signed when.
pub fn signed(title: &str, signatures: &[Signature]) -> Vec<u8> {
    let mut second = vec!["Signed electronically".to_owned(), String::new()];
    for Signature { name, role, signed_at } in signatures {
        second.push(format!("{name} ({role})"));
        second.push(format!("    signed on {signed_at}"));
        second.push(String::new());
    }
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    let first = ["This document was signed by all parties.", "", "The signatures are on the second page."];
    write(title, [&first, &second])
}

fn write(title: &str, pages: [&[&str]; 2]) -> Vec<u8> {
    let (catalog, tree, font, info) = (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4));
    let page_refs = [Ref::new(5), Ref::new(6)];
    let text_refs = [Ref::new(7), Ref::new(8)];

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).kids(page_refs).count(2);
    pdf.type1_font(font).base_font(Name(b"Helvetica")).encoding_predefined(Name(b"WinAnsiEncoding"));
    pdf.document_info(info).title(pdf_writer::TextStr(title));
    for (index, lines) in pages.into_iter().enumerate() {
        let mut page = pdf.page(page_refs[index]);
        page.media_box(Rect::new(0.0, 0.0, 595.0, 842.0)).parent(tree).contents(text_refs[index]);
        page.resources().fonts().pair(Name(b"F1"), font);
        page.finish();
        pdf.stream(text_refs[index], &text(title, index + 1, lines));
    }
    pdf.finish()
}

fn text(title: &str, number: usize, lines: &[&str]) -> Vec<u8> {
    let mut content = Content::new();
    let mut line = |size: f32, y: f32, text: &str| {
        content.begin_text().set_font(Name(b"F1"), size).next_line(72.0, y);
        content.show(Str(&latin(text))).end_text();
    };
    line(20.0, 760.0, title);
    for (index, text) in lines.iter().take(LINES_PER_PAGE_MAX).enumerate() {
        let row = f32::from(u8::try_from(index).unwrap_or(u8::MAX));
        line(11.0, 720.0 - 18.0 * row, text);
    }
    line(9.0, 48.0, &format!("Page {number} of 2"));
    content.finish().into_vec()
}

/// Latin-1, which is what the built-in fonts know; anything else becomes a question mark.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn a_document_has_two_pages_and_its_words() {
        let pdf = two_pages("Order form 20417", &["Buyer GmbH orders"]);
        assert!(pdf.starts_with(b"%PDF-1."));
        assert!(contains(&pdf, "/Count 2") && contains(&pdf, "Buyer GmbH orders"));
        assert!(contains(&pdf, "%%EOF"));
    }

    #[test]
    fn the_signed_copy_names_who_signed() {
        let signature = Signature { name: "Dana".into(), role: "Customer".into(), signed_at: "today".into() };
        assert!(contains(&signed("Order", &[signature]), "Dana"));
    }
}
