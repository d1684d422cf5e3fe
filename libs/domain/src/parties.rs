//! Who signs, and in what order.

use crate::personal::Personal;

/// Most parties an envelope may have (our own bound).
pub const PARTIES_MAX: usize = 10;

/// Somebody who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Place in the signing order, from 1 without gaps; nobody signs before those with a lower number.
    pub order: u32,
    /// Role in the document, case-sensitive, for example `Customer`.
    pub role: String,
    /// Full name.
    pub name: Personal,
    /// E-mail address.
    pub email: Personal,
}

/// One to [`PARTIES_MAX`] parties in signing order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties(Vec<Party>);

/// Why parties were refused. `Display` names the field, the limit and the mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartiesError {
    /// There is nobody to sign.
    Empty,
    /// There are more than [`PARTIES_MAX`].
    TooMany(usize),
    /// `parties[index].email` is not an address.
    BadEmail(usize),
    /// `parties[index].name` is empty or longer than 200 bytes.
    BadName(usize),
    /// `parties[index].role` is longer than 100 bytes.
    BadRole(usize),
}

impl std::fmt::Display for PartiesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PartiesError::Empty => write!(f, "parties: at least one party must sign; add one"),
            PartiesError::TooMany(found) => {
                write!(f, "parties: {found} given, at most {PARTIES_MAX} are allowed; remove some")
            }
            PartiesError::BadEmail(index) => {
                write!(
                    f,
                    "parties[{index}].email: not an e-mail address; give name@domain, at most 254 bytes"
                )
            }
            PartiesError::BadName(index) => {
                write!(f, "parties[{index}].name: must have 1 to 200 bytes; give the signer's full name")
            }
            PartiesError::BadRole(index) => {
                write!(f, "parties[{index}].role: must have at most 100 bytes; use the template's role name")
            }
        }
    }
}

impl std::error::Error for PartiesError {}

impl Parties {
    /// Checks the parties, writes the domains of their addresses small, and numbers them 1, 2, 3 … in the order given (signing is strictly sequential).
    pub fn sequential(
        people: impl IntoIterator<Item = (String, String, String)>,
    ) -> Result<Self, PartiesError> {
        let mut parties = Vec::new();
        for (index, (role, name, email)) in people.into_iter().enumerate() {
            let name = name.trim().to_owned();
            let email = address(email.trim()).ok_or(PartiesError::BadEmail(index))?;
            if name.is_empty() || name.len() > 200 {
                return Err(PartiesError::BadName(index));
            }
            if role.len() > 100 {
                return Err(PartiesError::BadRole(index));
            }
            parties.push(Party {
                order: u32::try_from(index + 1).unwrap_or(u32::MAX),
                role,
                name: Personal::new(name),
                email: Personal::new(email),
            });
        }
        if parties.is_empty() {
            return Err(PartiesError::Empty);
        }
        if parties.len() > PARTIES_MAX {
            return Err(PartiesError::TooMany(parties.len()));
        }
        Ok(Self(parties))
    }

    /// Parties as the log holds them; they were checked when they were requested.
    pub fn recorded(parties: Vec<Party>) -> Self {
        Self(parties)
    }

    /// The parties in signing order.
    pub fn as_slice(&self) -> &[Party] {
        &self.0
    }

    /// How many sign.
    pub fn total(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

/// An address as every provider is to see it: its domain is the same however it is written, what stands before it is not.
fn address(text: &str) -> Option<String> {
    let (local, domain) = text.split_once('@').filter(|_| is_email(text))?;
    Some(format!("{local}@{}", domain.to_lowercase()))
}

/// Good enough to catch a wrong field: one `@`, something before it, a dotted domain after it, no spaces.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let clean = |part: &str| {
        !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c == '@' || c.is_control())
    };
    text.len() <= 254
        && clean(local)
        && clean(domain)
        && domain.contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_an_address_is_written_small_and_what_stands_before_it_is_left_alone() {
        let dana = ("Customer".to_owned(), " Dana Buyer ".to_owned(), " Dana.Buyer@BUYER.Test ".to_owned());
        let parties = Parties::sequential([dana]).expect("a good party");
        let party = &parties.as_slice()[0];
        assert_eq!(party.email.reveal(), Some("Dana.Buyer@buyer.test"));
        assert_eq!(party.name.reveal(), Some("Dana Buyer"));
    }
}
