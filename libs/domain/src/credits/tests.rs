use proptest::prelude::*;

use super::*;
use crate::envelope::VoidReason;
use crate::intake::PartyNews;

const TERMS: Terms = Terms { refunded_if_untouched: true, known: Some((10, Timestamp(0))) };
const AT: Timestamp = Timestamp(1_000);
const DAY_MS: i64 = 86_400_000;

fn sent() -> Event {
    Event::Sent { at: AT }
}

fn viewed() -> Event {
    Event::Viewed { at: AT }
}

fn signed() -> Event {
    let parties = vec![PartyNews { order: 1, standing: Standing::Signed }];
    Event::PartiesProgressed { parties, total: 2, at: AT }
}

fn voided() -> Event {
    Event::Voided { at: AT }
}

fn completed() -> Event {
    Event::Completed { confirmed: true, at: AT }
}

fn count(events: &[Event]) -> Count {
    let mut count = Count::default();
    let mut fare = Fare::default();
    for event in events {
        let (after, movement) = fare.after(event);
        fare = after;
        movement.into_iter().for_each(|movement| count.add(movement));
    }
    count
}

#[test]
fn an_envelope_costs_one_credit_however_many_sign() {
    assert_eq!(count(&[sent(), viewed(), signed(), signed(), completed()]), Count { spent: 1, returned: 0 });
}

#[test]
fn an_envelope_whose_sending_nobody_told_pays_when_it_is_known_to_be_out() {
    for first in [viewed(), signed(), completed(), Event::Declined { reason: None, at: AT }] {
        assert_eq!(count(&[first]).spent, 1);
    }
}

#[test]
fn a_void_before_the_first_signature_gives_the_credit_back() {
    assert_eq!(count(&[sent(), viewed(), voided()]), Count { spent: 1, returned: 1 });
}

#[test]
fn a_void_after_a_signature_or_of_a_draft_gives_nothing_back() {
    assert_eq!(count(&[sent(), signed(), voided()]).returned, 0);
    let asked = Event::VoidRequested { reason: VoidReason::Requested, at: AT };
    assert_eq!(count(&[asked, voided()]), Count::default());
}

#[test]
fn a_vendor_without_refunds_keeps_what_it_was_paid() {
    let hard = Terms { refunded_if_untouched: false, ..TERMS };
    let count = count(&[sent(), voided()]);
    assert_eq!((count.used(&hard), count.refunded(&hard)), (1, 0));
    assert_eq!((count.used(&TERMS), count.refunded(&TERMS)), (0, 1));
}

#[test]
fn what_is_left_is_what_was_known_less_what_was_used() {
    let book = Book { since_known: Count { spent: 5, returned: 2 }, ..Book::default() };
    assert_eq!(book.statement(&TERMS, AT).remaining, Some(7));
    let unknown = Terms { known: None, ..TERMS };
    assert_eq!(book.statement(&unknown, AT).remaining, None);
    let more_than_there_were = Book { since_known: Count { spent: 11, returned: 0 }, ..Book::default() };
    assert_eq!(more_than_there_were.statement(&TERMS, AT).remaining, None, "somebody topped up");
}

#[test]
fn after_a_refusal_nothing_is_left_until_an_envelope_gets_out() {
    let refused =
        Book { last_spent: Some(Timestamp(5)), last_refused: Some(Timestamp(6)), ..Book::default() };
    let statement = refused.statement(&TERMS, AT);
    assert_eq!((statement.remaining, statement.exhausted), (Some(0), true));

    let topped_up = Book { last_spent: Some(Timestamp(7)), ..refused };
    let statement = topped_up.statement(&TERMS, AT);
    assert_eq!((statement.remaining, statement.exhausted), (None, false), "by how many is not known");

    let counted_since = Terms { known: Some((100, Timestamp(8))), ..TERMS };
    assert_eq!(topped_up.statement(&counted_since, AT).remaining, Some(100));
}

#[test]
fn the_forecast_takes_the_pace_of_the_last_seven_days() {
    let lately = Count { spent: 15, returned: 1 };
    let since_known = Count { spent: 4, returned: 0 };
    let now = Timestamp(30 * DAY_MS);
    let book = Book { since_known, lately, lately_from: Some(Timestamp(23 * DAY_MS)), ..Book::default() };
    let statement = book.statement(&TERMS, now);
    assert_eq!((statement.remaining, statement.per_day), (Some(6), 2.0));
    assert_eq!(statement.runs_out, Some(Timestamp(33 * DAY_MS)));

    let first_hour = Book { lately_from: Some(Timestamp(30 * DAY_MS - 3_600_000)), ..book };
    assert_eq!(first_hour.statement(&TERMS, now).per_day, 14.0, "a pace is taken over a day at least");
    assert_eq!(Book::default().statement(&TERMS, now).runs_out, None, "what is not used does not run out");
}

proptest! {
    #[test]
    fn an_envelope_never_costs_more_than_one_credit_nor_gives_back_what_it_did_not_pay(
        picks in prop::collection::vec(0usize..5, 0..12),
    ) {
        let events: Vec<Event> =
            picks.into_iter().map(|pick| [sent(), viewed(), signed(), voided(), completed()][pick].clone()).collect();
        let count = count(&events);
        prop_assert!(count.returned <= count.spent);
        prop_assert!(count.spent - count.returned <= 1);
    }
}
