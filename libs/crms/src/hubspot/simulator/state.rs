//! The deals of the portal: pure transitions, every write remembered.

use std::collections::BTreeMap;

use domain::time::Timestamp;
use serde::Serialize;
use simulation::clock;

use super::schema::{Kind, Schema};

/// Properties by name.
pub(super) type Values = BTreeMap<String, String>;

/// Who writes: `changeSource` and `sourceId`.
#[derive(Clone, Debug)]
pub(super) struct Author {
    pub(super) source: String,
    pub(super) source_id: String,
}

/// One property set once, as `/__sim/deals/{id}` shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Write {
    /// Order among all writes of the portal, from 1.
    pub(super) seq: u64,
    /// Number of the update it was part of: one PATCH, one edit.
    pub(super) update: u64,
    #[serde(serialize_with = "iso")]
    pub(super) at: Timestamp,
    pub(super) property: String,
    pub(super) value: String,
    pub(super) previous: Option<String>,
    /// Whether the value was another before.
    pub(super) changed: bool,
    pub(super) source: String,
    pub(super) source_id: String,
}

/// One deal.
#[derive(Clone, Debug)]
pub(super) struct Deal {
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) archived: bool,
    pub(super) values: Values,
    pub(super) history: Vec<Write>,
}

/// A change that becomes an event if somebody has subscribed to it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) deal: u64,
    /// `None` for a new deal.
    pub(super) property: Option<(String, String)>,
    pub(super) at: Timestamp,
    pub(super) author: Author,
}

/// Why nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    /// Property and code of each problem.
    Invalid(Vec<(String, &'static str)>),
    /// A unique value belongs to this deal.
    Conflict(u64),
}

/// Everything the portal knows.
#[derive(Debug, Default)]
pub(super) struct Portal {
    pub(super) deals: BTreeMap<u64, Deal>,
    pub(super) schema: Schema,
    /// Ids that were merged into another deal.
    merged: BTreeMap<u64, u64>,
    writes: u64,
    updates: u64,
    /// The first deal's id, if it is larger than the usual one.
    first_id: u64,
}

/// The usual id of the first deal; ids are 64-bit numbers, as HubSpot's.
pub(super) const FIRST_ID: u64 = 50_123_456_789;

impl Portal {
    /// An empty portal that gives its first deal this id.
    pub(super) fn starting_at(first_id: u64) -> Self {
        Self { first_id, ..Self::default() }
    }

    /// A deal by id, also by one that was merged away.
    pub(super) fn deal(&self, id: u64) -> Option<&Deal> {
        let id = self.merged.get(&id).unwrap_or(&id);
        self.deals.get(id).filter(|deal| !deal.archived)
    }

    /// The deal whose unique property has this value.
    pub(super) fn find(&self, property: &str, value: &str) -> Option<u64> {
        let unique = self.schema.properties.get(property)?.unique;
        let holds =
            |deal: &&Deal| !deal.archived && deal.values.get(property).is_some_and(|known| known == value);
        self.deals.values().filter(|_| unique).find(holds).map(|deal| deal.id)
    }

    /// A new deal; without a stage it gets the first one.
    pub(super) fn create(
        &mut self,
        mut values: Values,
        author: &Author,
        now: Timestamp,
    ) -> Result<(u64, Vec<Change>), Refused> {
        values.entry("pipeline".to_owned()).or_insert_with(|| "default".to_owned());
        let first_stage = self.schema.stages.first().map(|(id, _)| id.clone()).unwrap_or_default();
        values.entry("dealstage".to_owned()).or_insert(first_stage);
        self.check(None, &values)?;

        let last = self.deals.keys().next_back().copied();
        let id = last.map_or(self.first_id.max(FIRST_ID), |last| last + 1);
        let own = [("hs_object_id", id.to_string()), ("createdate", clock::iso_millis(now))];
        let deal = Deal {
            id,
            created_at: now,
            updated_at: now,
            archived: false,
            values: own.map(|(name, value)| (name.to_owned(), value)).into(),
            history: vec![],
        };
        self.deals.insert(id, deal);
        let mut changes = vec![Change { deal: id, property: None, at: now, author: author.clone() }];
        changes.extend(self.write(id, values, author, now));
        Ok((id, changes))
    }

    /// Sets the values named, all or none. Returns what changed.
    pub(super) fn update(
        &mut self,
        id: u64,
        values: Values,
        author: &Author,
        now: Timestamp,
    ) -> Result<Vec<Change>, Refused> {
        let id = self.deal(id).ok_or(Refused::NotFound)?.id;
        self.check(Some(id), &values)?;
        Ok(self.write(id, values, author, now))
    }

    /// Takes a deal out of sight.
    pub(super) fn archive(&mut self, id: u64) -> Result<(), Refused> {
        let deal = self.deals.get_mut(&id).filter(|deal| !deal.archived).ok_or(Refused::NotFound)?;
        deal.archived = true;
        Ok(())
    }

    /// Lets `id` live on in `primary` only.
    pub(super) fn merge(&mut self, primary: u64, id: u64) -> Result<(), Refused> {
        self.deal(primary).filter(|_| primary != id).ok_or(Refused::NotFound)?;
        self.archive(id)?;
        self.merged.insert(id, primary);
        Ok(())
    }

    /// Makes sure that properties exist: what is unknown becomes a text.
    pub(super) fn declare<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        for name in names {
            if !self.schema.properties.contains_key(name) {
                self.schema.add(name, Kind::Text, false);
            }
        }
    }

    fn check(&self, id: Option<u64>, values: &Values) -> Result<(), Refused> {
        let problem =
            |(name, value): (&String, &String)| Some((name.clone(), self.schema.problem(name, value)?));
        let problems: Vec<_> = values.iter().filter_map(problem).collect();
        if !problems.is_empty() {
            return Err(Refused::Invalid(problems));
        }
        let taken = |(name, value): (&String, &String)| {
            self.find(name, value).filter(|holder| !value.is_empty() && Some(*holder) != id)
        };
        values.iter().find_map(taken).map_or(Ok(()), |holder| Err(Refused::Conflict(holder)))
    }

    fn write(&mut self, id: u64, values: Values, author: &Author, now: Timestamp) -> Vec<Change> {
        self.updates += 1;
        let deal = self.deals.get_mut(&id).expect("invariant: the caller has looked the deal up");
        let mut changes = vec![];
        for (property, value) in values {
            self.writes += 1;
            let previous = deal.values.get(&property).cloned();
            let changed = previous.as_deref().unwrap_or_default() != value;
            deal.values.insert(property.clone(), value.clone());
            deal.history.push(Write {
                seq: self.writes,
                update: self.updates,
                at: now,
                property: property.clone(),
                value: value.clone(),
                previous,
                changed,
                source: author.source.clone(),
                source_id: author.source_id.clone(),
            });
            if changed {
                changes.push(Change {
                    deal: id,
                    property: Some((property, value)),
                    at: now,
                    author: author.clone(),
                });
            }
        }
        deal.updated_at = now;
        deal.values.insert("hs_lastmodifieddate".to_owned(), clock::iso_millis(now));
        changes
    }
}

impl Deal {
    /// The deal as an index saw it that knows nothing newer than `at`; `None` if it did not exist yet.
    pub(super) fn as_of(&self, at: Timestamp) -> Option<Values> {
        if self.updated_at <= at {
            return Some(self.values.clone());
        }
        let mut known = self.history.iter().filter(|write| write.at <= at);
        let values: Values =
            known.clone().map(|write| (write.property.clone(), write.value.clone())).collect();
        let last = known.next_back()?.at;
        let own = [
            ("hs_object_id", self.id.to_string()),
            ("createdate", clock::iso_millis(self.created_at)),
            ("hs_lastmodifieddate", clock::iso_millis(last)),
        ];
        Some(values.into_iter().chain(own.map(|(name, value)| (name.to_owned(), value))).collect())
    }
}

fn iso<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock::iso_millis(*at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person() -> Author {
        Author { source: "CRM_UI".into(), source_id: "userId:777".into() }
    }

    fn values<const N: usize>(pairs: [(&str, &str); N]) -> Values {
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn a_refused_update_writes_nothing_at_all() {
        let mut portal = Portal::default();
        let (id, _) = portal.create(Values::new(), &person(), Timestamp(1)).unwrap();
        let before = portal.deal(id).unwrap().history.len();
        let mixed = values([("dealname", "Order 1"), ("dealstage", "nowhere")]);
        let refused = Refused::Invalid(vec![("dealstage".into(), "INVALID_OPTION")]);
        assert_eq!(portal.update(id, mixed, &person(), Timestamp(2)).unwrap_err(), refused);
        assert_eq!(portal.deal(id).unwrap().history.len(), before);
    }

    #[test]
    fn setting_the_same_value_again_is_written_down_but_changes_nothing() {
        let mut portal = Portal::default();
        let (id, _) = portal.create(values([("dealname", "Order 1")]), &person(), Timestamp(1)).unwrap();
        let changes = portal.update(id, values([("dealname", "Order 1")]), &person(), Timestamp(2)).unwrap();
        assert!(changes.is_empty());
        assert!(!portal.deal(id).unwrap().history.last().unwrap().changed);
    }

    #[test]
    fn an_index_that_lags_sees_the_deal_as_it_was() {
        let mut portal = Portal::default();
        let (id, _) = portal.create(values([("dealname", "old")]), &person(), Timestamp(10)).unwrap();
        portal.update(id, values([("dealname", "new")]), &person(), Timestamp(20)).unwrap();
        let deal = portal.deal(id).unwrap();
        assert_eq!(deal.as_of(Timestamp(9)), None);
        assert_eq!(deal.as_of(Timestamp(19)).unwrap()["dealname"], "old");
        assert_eq!(deal.as_of(Timestamp(20)).unwrap()["dealname"], "new");
    }

    #[test]
    fn a_merged_id_leads_to_the_deal_that_lives_on() {
        let mut portal = Portal::default();
        let (first, _) = portal.create(Values::new(), &person(), Timestamp(1)).unwrap();
        let (second, _) = portal.create(Values::new(), &person(), Timestamp(1)).unwrap();
        portal.merge(first, second).unwrap();
        assert_eq!(portal.deal(second).unwrap().id, first);
    }
}
