//! Pages of a list that is read as a whole.

use runtime::grpc::status::bad_field;
use tonic::Status;

/// Most entries on a page.
const SIZE_MAX: usize = 1000;
/// Entries on a page when the caller does not say.
const SIZE: usize = 100;

/// One page of a list, and the token of the next; an empty token at the end. A `size` of 0 is 100, the most is 1000.
///
/// # Errors
/// `InvalidArgument` for a token that is none.
pub fn page<'a, T>(all: &'a [T], size: u32, token: &str) -> Result<(&'a [T], String), Status> {
    let size = match usize::try_from(size).unwrap_or(SIZE_MAX) {
        0 => SIZE,
        size => size.min(SIZE_MAX),
    };
    let start: usize = match token {
        "" => 0,
        token => token.parse().map_err(|_| {
            bad_field("page_token", "not a token of an earlier page; start again without one")
        })?,
    };
    let end = start.saturating_add(size).min(all.len());
    let next = if end < all.len() { end.to_string() } else { String::new() };
    Ok((all.get(start..end).unwrap_or_default(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_list_are_the_list() {
        let all: Vec<u32> = (0..250).collect();
        let (mut read, mut token) = (Vec::new(), String::new());
        loop {
            let (shown, next) = page(&all, 0, &token).expect("a page");
            assert!(shown.len() <= SIZE);
            read.extend_from_slice(shown);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        assert_eq!(read, all);
        assert_eq!(page(&all, u32::MAX, "").expect("a page").0.len(), 250);
    }

    #[test]
    fn a_token_beyond_the_end_is_an_empty_page_and_a_word_is_refused() {
        assert_eq!(page(&[1], 1, &usize::MAX.to_string()).expect("a page"), (&[][..], String::new()));
        let refused = page(&[1], 1, "next").expect_err("it is no token");
        assert!(refused.message().starts_with("page_token: "), "{refused:?}");
    }
}
