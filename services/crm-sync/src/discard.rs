//! A change that could not be dealt with, and that a person lets go: no sweep and no other telling takes it up again.

use contracts::intake::IntakeEvent;
use domain::intake::Meaning;
use domain::sync::TriggerIgnored;
use event_log::{Position, Recorded};

use crate::TRIGGERS;
use crate::fate::Fate;
use crate::fit::Told;
use crate::stop::Stop;
use crate::trigger::Triggers;

impl Triggers {
    /// Says in the story of each change in a dead letter, for each flow that it may have fitted, that it is let go. What
    /// was dealt with stays as it is, and a later change of the same record is another story.
    pub(crate) async fn let_go(&self, position: Position) -> Result<(), Stop> {
        let letters = self.log.dead_letters(TRIGGERS).await?;
        let Some(letter) = letters.into_iter().find(|letter| letter.position == position) else {
            return Ok(());
        };
        match self.desk.settler().commit_at(&letter.entity, position.0).await? {
            Some(recorded) => self.let_go_of(&recorded).await,
            None => Ok(()),
        }
    }

    async fn let_go_of(&self, recorded: &Recorded) -> Result<(), Stop> {
        let loaded = self.configuration.current();
        for event in &recorded.events {
            let signal = match self.histories.signal(event).await.map_err(Stop::from) {
                Ok(IntakeEvent::Accepted(signal)) => signal,
                // What this version cannot read has no story.
                Ok(_) | Err(Stop::Never(_)) => continue,
                Err(stop) => return Err(stop),
            };
            let Meaning::Record(change) = &signal.meaning else { continue };
            let Some(connection) = loaded.connection(&signal.connection) else { continue };
            let told = Told { loaded: &loaded, connection, event, recorded, signal: &signal, change };
            for fit in told.fits() {
                // A condition that cannot be evaluated may be why it was given up.
                if matches!(fit.holds(), Ok(false)) {
                    continue;
                }
                let mut story = self.story(&fit).await?;
                if Fate::of_story(&story.events).is_none() {
                    self.ignore(&fit, &mut story, TriggerIgnored::Discarded).await?;
                }
            }
        }
        Ok(())
    }
}
