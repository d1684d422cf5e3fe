//! How every sweep looks: a few at a time, once, and once more after a moment at those that differ.
//!
//! Documents that answer 5xx, ten of them in a row, would open the connection's breaker: it holds back sends too, and the
//! sweep would meet the same ten again whenever it closes. So after a few of which one could not be read, the provider is
//! asked for a document that nobody has. An answer, be it a "no", says that it is up: then the sweep goes on past them,
//! and they are asked for again later. Only where that is not answered either the provider as a whole is down, and the
//! sweep ends.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::StreamExt as _;
use jobs::{Failure, Report};

use super::asker::Asker;
use super::unread::Unread;
use super::{Look, Sweeper, Trouble, failed};

/// So many are asked for at a time: fewer than failures in a row that open a breaker, twice over.
const AT_ONCE: usize = 4;

/// What a sweep walks.
#[async_trait]
pub trait Walk: Sync {
    /// One of it.
    type Item: Clone + Send + Sync;

    /// The sweeper it belongs to.
    fn sweeper(&self) -> &Sweeper;

    /// What is kept of one that could not be read; [`Walk::named`] knows it by that.
    fn name(&self, item: &Self::Item) -> String;

    /// The one of this name; `None` if it is none of ours.
    fn named(&self, name: &str) -> Option<Self::Item>;

    /// Looks at one. `glance` only says whether it differs; else what differs is recorded.
    async fn look(&self, asker: &Asker, item: &Self::Item, glance: bool) -> Result<Look, Trouble>;
}

/// Looks at these, and once more at those that differ. What could not be read stands in `unread` then.
///
/// # Errors
/// Where no other document of the connection could be read either: the provider as a whole is down, or refuses us.
pub async fn pass<W: Walk>(
    walk: &W,
    asker: &Asker,
    items: &[W::Item],
    unread: &mut Unread,
    report: &mut Report,
) -> Result<(), Trouble> {
    let suspects = all(walk, asker, items, true, unread, report).await?;
    if suspects.is_empty() {
        return Ok(());
    }
    walk.sweeper().grace().await;
    walk.sweeper().catch_up().await?;
    all(walk, asker, &suspects, false, unread, report).await.map(drop)
}

/// Asks again for what could not be read, but for these; no more of it once none of a few could be read again.
///
/// # Errors
/// As [`pass`].
pub async fn again<W: Walk>(
    walk: &W,
    asker: &Asker,
    but: &BTreeSet<String>,
    unread: &mut Unread,
    report: &mut Report,
) -> Result<(), Failure> {
    let items: Vec<W::Item> = unread.names_but(but).iter().filter_map(|name| walk.named(name)).collect();
    if items.is_empty() {
        return Ok(());
    }
    // An open breaker lets one call through: it shall not be one that fails.
    asker.is_up().await.map_err(|error| failed(report, &error.into()))?;
    for some in items.chunks(AT_ONCE) {
        let before = unread.names().len();
        let passed = pass(walk, asker, some, unread, report).await;
        passed.map_err(|trouble| failed(report, &trouble))?;
        if unread.names().len() == before {
            break;
        }
    }
    Ok(())
}

/// Looks at all of these, a few at a time, and gives back those that differ.
async fn all<W: Walk>(
    walk: &W,
    asker: &Asker,
    items: &[W::Item],
    glance: bool,
    unread: &mut Unread,
    report: &mut Report,
) -> Result<Vec<W::Item>, Trouble> {
    let concurrency = walk.sweeper().tuning.sweep_concurrency;
    let mut suspects = Vec::new();
    for some in items.chunks(AT_ONCE) {
        let looks: Vec<_> = some.iter().map(|item| walk.look(asker, item, glance)).collect();
        let looks: Vec<_> = futures::stream::iter(looks).buffered(concurrency).collect().await;
        let mut troubled = false;
        for (item, look) in some.iter().zip(looks) {
            if let Ok(Look::Suspect) = look {
                suspects.push(item.clone());
            } else {
                troubled |= matches!(look, Err(Trouble::Provider(_)));
                unread.take(report, walk.name(item), look)?;
            }
        }
        if troubled {
            asker.is_up().await?;
        }
    }
    Ok(suspects)
}
