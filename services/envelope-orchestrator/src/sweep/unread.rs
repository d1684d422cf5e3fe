//! What a sweep could not read: kept beside its place and asked for again, so that one document that never answers
//! holds up no other.

use std::collections::BTreeSet;

use domain::retry::Retry;
use jobs::{Failure, Report};
use providers::{Class, ProviderError};
use serde::{Deserialize, Serialize};

use super::{Look, Trouble, count};

/// Names kept beside a place at most: even with every character escaped they fit into what a job may keep.
pub const UNREAD_MAX: usize = 120;

/// The words of a place with names beside it; a place alone is kept as it is.
#[derive(Serialize, Deserialize)]
struct Words {
    at: String,
    unread: BTreeSet<String>,
}

/// What could not be read, and why the first of it could not.
#[derive(Debug, Default)]
pub struct Unread {
    names: BTreeSet<String>,
    why: Option<String>,
    unseen: u64,
}

impl Unread {
    /// The place in these words, and what was kept beside it.
    pub fn read(words: Option<&str>) -> (String, Unread) {
        let words = words.unwrap_or_default();
        match serde_json::from_str::<Words>(words) {
            Ok(Words { at, unread }) => (at, Unread { names: unread, ..Unread::default() }),
            Err(_) => (words.to_owned(), Unread::default()),
        }
    }

    /// The words of this place and of what could not be read; names above the bound are left out.
    pub fn words(&self, at: &str) -> String {
        if self.names.is_empty() {
            return at.to_owned();
        }
        let unread = self.names.iter().take(UNREAD_MAX).cloned().collect();
        serde_json::to_string(&Words { at: at.to_owned(), unread }).expect("invariant: texts become JSON")
    }

    /// Counts what was looked at and notes what was not.
    ///
    /// # Errors
    /// Trouble with which no other document could be read either.
    pub fn take(
        &mut self,
        report: &mut Report,
        name: String,
        look: Result<Look, Trouble>,
    ) -> Result<(), Trouble> {
        match look {
            Ok(look) => {
                self.names.remove(&name);
                self.unseen += u64::from(look == Look::Unseen);
                count(report, look);
                Ok(())
            }
            Err(trouble) => {
                tracing::debug!(name, %trouble, "a sweep could not read this one");
                self.names.insert(name);
                self.why.get_or_insert_with(|| trouble.to_string());
                if is_everybodys(&trouble) { Err(trouble) } else { Ok(()) }
            }
        }
    }

    /// How many the provider did not show.
    pub fn unseen(&self) -> u64 {
        self.unseen
    }

    /// The names, in order.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The names but for these, from another one on each time: the first must not hide the others.
    pub fn names_but(&self, but: &BTreeSet<String>) -> Vec<String> {
        let mut names: Vec<String> = self.names.difference(but).cloned().collect();
        if !names.is_empty() {
            let first = usize::from(runtime::random::new_id()[15]) % names.len();
            names.rotate_left(first);
        }
        names
    }

    /// Whether there are more than can be kept.
    pub fn overflows(&self) -> bool {
        self.names.len() > UNREAD_MAX
    }

    /// How many, and why: for the operator. No personal data.
    pub fn note(&self) -> String {
        let why = self.why.as_deref().unwrap_or("not asked again yet");
        format!("{} could not be read and are asked for again: {why}", self.names.len())
    }

    /// The end of a run in which something could not be read: a person should look, but the rest is done.
    pub fn told(&self, report: &mut Report) {
        if self.names.is_empty() {
            return;
        }
        report.attention = true;
        let before = if report.note.is_empty() { String::new() } else { format!("; {}", report.note) };
        report.note = format!("{}{before}", self.note());
    }

    /// The end of a run that could read nothing, or not remember what it could not read.
    pub fn failed(&self, report: Report) -> Failure {
        Failure::after(report, self.note())
    }
}

/// Whether no other document of the connection could be read either.
fn is_everybodys(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::NotConfigured => true,
        Trouble::Provider(error) => {
            matches!(error.class, Class::Unauthorized | Class::QuotaExhausted) || is_held_back(error)
        }
        Trouble::Execute(_) | Trouble::Directory(_) | Trouble::Read(_) => false,
    }
}

/// The breaker is open: nothing was called.
fn is_held_back(error: &ProviderError) -> bool {
    error.http.is_none() && error.code == "breaker_open" && matches!(error.retry, Retry::After(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_words_with_what_stands_beside_it_and_without() {
        let (at, mut unread) = Unread::read(Some("1800000000000"));
        assert_eq!((at.as_str(), unread.names.len()), ("1800000000000", 0));
        assert_eq!(unread.words(&at), at);
        unread.names.extend((0..1_000).map(|number| format!("{number:04}{}", "\"".repeat(124))));
        assert!(unread.overflows());
        let words = unread.words(&at);
        assert!(words.len() <= 32 * 1024, "{}", words.len());
        let (again, kept) = Unread::read(Some(&words));
        assert_eq!((again, kept.names.len()), (at, UNREAD_MAX));
    }
}
