//! What holds in every life (lifecycle.md §8).

use proptest::prelude::*;

use super::super::*;
use super::given::*;
use super::strategies::*;
use crate::time::Timestamp;

/// Carries out commands and hands every single fact to `look`, with the envelope before and after it.
fn live(
    history: &[Event],
    commands: Vec<Command>,
    mut look: impl FnMut(&Envelope, &Event, &Envelope) -> Result<(), TestCaseError>,
) -> Result<Vec<Event>, TestCaseError> {
    let mut facts = Vec::new();
    let mut envelope = Envelope::default();
    let mut record = |envelope: Envelope, event: Event| {
        let after = evolve(envelope.clone(), &event);
        look(&envelope, &event, &after)?;
        facts.push(event);
        Ok::<_, TestCaseError>(after)
    };
    for event in history {
        envelope = record(envelope, event.clone())?;
    }
    for command in commands {
        for event in decide(&envelope, command).unwrap_or_default() {
            envelope = record(envelope, event)?;
        }
    }
    prop_assert_eq!(&replay(&facts), &envelope);
    Ok(facts)
}

/// A send that nothing has cancelled, by the events that cancel one.
fn cancels_a_send(event: &Event, after: &Envelope) -> bool {
    matches!(event, Event::ApprovalRequested { .. } | Event::Reopened { .. })
        || (matches!(event, Event::AttentionNeeded { .. }) && after.stage == Stage::NeedsAttention)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_closed_envelope_never_reopens_unless_the_provider_can((history, commands) in any_life(false)) {
        live(&history, commands, |before, event, after| {
            let binding = matches!(event, Event::Corrected { to: Correction::CompletedAfterVoid, .. })
                && matches!(before.stage, Stage::Voided | Stage::Expired);
            prop_assert!(!before.stage.is_closed() || after.stage == before.stage || binding);
            Ok(())
        })?;
    }

    #[test]
    fn a_closed_envelope_is_moved_only_by_the_word_of_a_get((history, commands) in any_life(true)) {
        let mut envelope = replay(&history);
        for command in commands {
            let by_get = matches!(
                command,
                Command::Observe { source: Source::Poll | Source::Reconciliation, .. }
            );
            let closed = envelope.stage.is_closed().then_some(envelope.stage);
            for event in decide(&envelope, command).unwrap_or_default() {
                envelope = evolve(envelope, &event);
            }
            prop_assert!(by_get || closed.is_none_or(|stage| stage == envelope.stage));
        }
    }

    #[test]
    fn there_is_at_most_one_create_and_one_uncancelled_send((history, commands) in any_life(true)) {
        let (mut creates, mut open_sends) = (0, 0);
        live(&history, commands, |_, event, after| {
            creates += react(event).iter().filter(|effect| **effect == Effect::Create).count();
            if cancels_a_send(event, after) {
                open_sends = 0;
            }
            open_sends += react(event).iter().filter(|effect| **effect == Effect::Send).count();
            prop_assert!(creates <= 1 && open_sends <= 1, "{} creates, {} sends", creates, open_sends);
            Ok(())
        })?;
    }

    #[test]
    fn what_is_out_is_not_sent_again_in_the_same_generation((history, commands) in any_life(true)) {
        live(&history, commands, |before, event, _| {
            let sends = react(event).contains(&Effect::Send);
            prop_assert!(!(sends && before.sent_at.is_some()));
            Ok(())
        })?;
    }

    #[test]
    fn without_the_auto_policy_only_what_a_person_asked_to_send_is_sent((history, commands) in any_life(true)) {
        let mut envelope = replay(&history);
        for command in commands {
            let by_person = matches!(command, Command::RequestSend { .. });
            for event in decide(&envelope, command).unwrap_or_default() {
                envelope = evolve(envelope, &event);
                let auto = envelope.order.as_ref().is_some_and(|order| order.send == SendPolicy::Auto);
                prop_assert!(by_person || auto || !react(&event).contains(&Effect::Send));
            }
        }
    }

    #[test]
    fn signatures_never_decrease_within_a_generation((history, commands) in any_life(true)) {
        live(&history, commands, |before, _, after| {
            prop_assert!(after.generation > before.generation || after.signed_count() >= before.signed_count());
            Ok(())
        })?;
    }

    #[test]
    fn repeating_a_command_adds_nothing((history, commands) in any_life(true), last in any_command(true)) {
        // Each wish for a reminder is a nudge of its own.
        if matches!(last, Command::RequestReminder { .. }) {
            return Ok(());
        }
        let once = replay(&live(&history, [commands, vec![last.clone()]].concat(), |_, _, _| Ok(()))?);
        for event in decide(&once, last).unwrap_or_default() {
            prop_assert!(matches!(event, Event::SignalIgnored { .. }), "{:?}", event);
        }
    }

    #[test]
    fn every_webhook_leaves_a_trace((history, commands) in any_life(true), last in any_observation(true)) {
        let envelope = replay(&live(&history, commands, |_, _, _| Ok(()))?);
        let Command::Observe { observation, reopens, at, .. } = last else { unreachable!("an observation") };
        let webhook = Command::Observe { observation, source: Source::Webhook, reopens, at };
        prop_assert_ne!(decide(&envelope, webhook), Ok(vec![]));
    }

    #[test]
    fn a_closed_envelope_needs_no_more_calls_that_change_it((history, commands) in any_life(true)) {
        let envelope = replay(&live(&history, commands, |_, _, _| Ok(()))?);
        if envelope.stage.is_closed() {
            let void = Effect::Void { reason: VoidReason::Requested };
            for effect in [Effect::Create, Effect::Send, void, Effect::Remind { number: 1 }] {
                prop_assert!(!still_needed(&envelope, effect), "{:?}", effect);
            }
            prop_assert_eq!(timers(&envelope), vec![]);
        }
    }

    #[test]
    fn timers_are_one_of_a_kind_and_firing_them_takes_them_off((history, commands) in any_life(true)) {
        let envelope = replay(&live(&history, commands, |_, _, _| Ok(()))?);
        let all = timers(&envelope);
        for timer in &all {
            prop_assert_eq!(all.iter().filter(|other| other.kind == timer.kind).count(), 1);
            let at = timer.due.max(Timestamp(AT.0));
            let facts = decide(&envelope, Command::Fire { timer: timer.kind, at }).unwrap();
            let after = facts.iter().fold(envelope.clone(), evolve);
            let polls = timer.kind.poll_pause(0, std::time::Duration::ZERO).is_some();
            prop_assert!(polls || !timers(&after).contains(timer), "{:?}", timer);
        }
    }
}
