//! Lifecycle §5.4, row by row: what arrives out of order or against the rules, what is recorded of it, and where
//! the envelope stands when everything that was asked for has been answered.

use super::super::*;
use super::given::*;
use crate::intake::{Claim, Standing};

/// One row: where it stands, what arrives in order, and for each arrival the facts that are recorded.
struct Row {
    words: &'static str,
    history: Vec<Event>,
    arriving: Vec<(Command, &'static [&'static str])>,
    stage: Stage,
}

fn row(words: &'static str, history: Vec<Event>) -> Row {
    Row { words, history, arriving: Vec::new(), stage: Stage::Absent }
}

impl Row {
    fn when(mut self, wish: impl Into<Command>, facts: &'static [&'static str]) -> Self {
        self.arriving.push((wish.into(), facts));
        self
    }

    fn ends(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    /// What is otherwise than the table says.
    fn judge(self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut envelope = replay(&self.history);
        for (wish, facts) in self.arriving {
            let shown = format!("{}: {wish:?}", self.words);
            let events = decide(&envelope, wish).unwrap_or_else(|refused| panic!("{shown}: {refused:?}"));
            let found: Vec<String> = events.iter().map(word).collect();
            if found != facts {
                mistakes.push(format!("{shown}: {found:?} instead of {facts:?}"));
            }
            envelope = events.iter().fold(envelope, evolve);
        }
        if envelope.stage != self.stage {
            mistakes
                .push(format!("{}: it ends {:?} instead of {:?}", self.words, envelope.stage, self.stage));
        }
        mistakes
    }
}

/// The fact's name; of an ignored signal also the reason that is recorded with it.
fn word(event: &Event) -> String {
    if let Event::SignalIgnored { reason, .. } = event {
        return format!("SignalIgnored: {}", reason.code());
    }
    if let Event::Completed { confirmed: true, .. } = event {
        return "Completed: confirmed".to_owned();
    }
    let printed = format!("{event:?}");
    printed.split([' ', '{']).next().unwrap_or_default().to_owned()
}

fn with(stage: Stage, more: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let mut history = at_stage(stage);
    history.extend(more);
    history
}

fn declined() -> Claim {
    Claim::Declined { reason: None }
}

const ASKED: &[&str] = &["ConfirmationRequested"];

#[test]
fn every_row_ends_as_the_table_says_and_leaves_its_trace() {
    let rows = [
        row("creating, any webhook: its id is adopted", at_stage(Stage::Creating))
            .when(webhook(Claim::Viewed), &["Created", "Viewed"])
            .ends(Stage::Viewed),
        row("preparing, completed: a jump, to be confirmed", at_stage(Stage::Preparing))
            .when(webhook(Claim::Completed).inconclusive(), ASKED)
            .when(poll(Claim::Completed), &["Completed: confirmed"])
            .ends(Stage::Completed),
        row("sent, a draft of an older revision: late creation news", with(Stage::Sent, [moved_to(5)]))
            .when(webhook(Claim::Draft).revision(4), &["SignalIgnored: stale"])
            .ends(Stage::Sent),
        row(
            "sent, a draft without a revision: never a trigger to send",
            at_stage_with(Stage::Sent, SendPolicy::Auto),
        )
        .when(webhook(Claim::Draft), &["SignalIgnored: late"])
        .ends(Stage::Sent),
        row("sent, a draft of a newer revision: reopened after a GET", with(Stage::Sent, [moved_to(5)]))
            .when(webhook(Claim::Draft).revision(6), ASKED)
            .when(poll(Claim::Draft).revision(6), &["RevisionMoved", "Reopened"])
            .ends(Stage::InReview),
        row("completed, viewed, sent, signed: too late", at_stage(Stage::Completed))
            .when(webhook(Claim::Viewed), &["SignalIgnored: closed"])
            .when(webhook(Claim::Sent), &["SignalIgnored: closed"])
            .when(webhook(Claim::PartySigned), &["SignalIgnored: closed"])
            .ends(Stage::Completed),
        row("completed, voided: illegal where ends are final", at_stage(Stage::Completed))
            .when(webhook(Claim::Voided), &["SignalIgnored: illegal", "ConfirmationRequested"])
            .when(poll(Claim::Completed), &["Confirmed"])
            .ends(Stage::Completed),
        row("completed, declined: illegal where ends are final", at_stage(Stage::Completed))
            .when(webhook(declined()), &["SignalIgnored: illegal", "ConfirmationRequested"])
            .when(poll(Claim::Completed), &["Confirmed"])
            .ends(Stage::Completed),
        row("voided, signed: the last signer was faster, the contract binds", at_stage(Stage::Voided))
            .when(webhook(Claim::Completed), ASKED)
            .when(poll(Claim::Completed), &["Corrected"])
            .ends(Stage::Completed),
        row("voided, signed, but the provider says voided", at_stage(Stage::Voided))
            .when(webhook(Claim::Completed), ASKED)
            .when(poll(Claim::Voided), &["Confirmed"])
            .ends(Stage::Voided),
        row("declined, a party signed: the provider's truth is kept", at_stage(Stage::Declined))
            .when(webhook(Claim::PartySigned), ASKED)
            .when(poll(declined()), &["Confirmed"])
            .ends(Stage::Declined),
        row(
            "our deadline voids, the provider answers 409: its truth is adopted",
            with(Stage::Sent, [void_requested(VoidReason::Deadline)]),
        )
        .when(Command::RefuseVoid { at: AT }, &["VoidRefused", "ConfirmationRequested"])
        .when(poll(Claim::Completed), &["Completed: confirmed"])
        .ends(Stage::Completed),
        row("sending, the answer is lost, the sent notice comes", at_stage(Stage::Sending))
            .when(webhook(Claim::Sent), &["Sent"])
            .ends(Stage::Sent),
        row("sending, no credits: not sent, and held", at_stage(Stage::Sending))
            .when(Command::HoldSend { reason: HoldReason::CreditsExhausted, at: AT }, &["SendHeld"])
            .ends(Stage::InReview),
        row(
            "the signed document before the completion: kept, the state stays, a GET is asked for",
            at_stage(Stage::PartiallySigned),
        )
        .when(webhook(Claim::ArtifactReady), &["ArtifactReady", "ConfirmationRequested"])
        .ends(Stage::PartiallySigned),
        row("extraction before the signature: stored, without effect", at_stage(Stage::Sent))
            .when(webhook(Claim::DataExtracted), &["SignalIgnored: no_effect"])
            .ends(Stage::Sent),
        row("deleted, anything: a GET, and it stays deleted", at_stage(Stage::Deleted))
            .when(webhook(Claim::Viewed), ASKED)
            .when(poll(Claim::Deleted), &["Confirmed"])
            .ends(Stage::Deleted),
        row("creation failed, a draft: it exists after all", at_stage(Stage::Failed))
            .when(webhook(Claim::Draft).reopens(), ASKED)
            .when(poll(Claim::Draft).reopens(), &["Reopened"])
            .ends(Stage::InReview),
        row("a second envelope of the same order: the first one counts", at_stage(Stage::Sent))
            .when(webhook(Claim::Completed).of("prov-2"), &["SignalIgnored: contradiction"])
            .when(webhook(Claim::PartySigned).parties([(1, Standing::Signed)], 2), &["PartiesProgressed"])
            .ends(Stage::PartiallySigned),
    ];
    let mistakes: Vec<String> = rows.into_iter().flat_map(Row::judge).collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}");
}

#[test]
fn a_sent_notice_takes_the_repeated_send_off_the_table() {
    let sent = given(at_stage(Stage::Sending)).when(webhook(Claim::Sent)).then([Event::Sent { at: AT }]);
    assert!(!still_needed(&sent, Effect::Send), "the retry of a lost answer would send again");
}
