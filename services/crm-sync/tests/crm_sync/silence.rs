//! Nothing personal reaches a log line, of any test here.

use domain::envelope::Event as Fact;
use domain::intake::Actor;
use domain::personal::Personal;
use testkit::ear::Ear;

use crate::support::deals::{unknown_property, unwell};
use crate::support::{START, TRIGGERS, WRITES, World, created, requested, sent};
use crate::writes::envelope;

#[tokio::test]
async fn no_log_line_at_any_level_holds_a_person_a_link_or_a_value() {
    let ear = Ear::open();
    let world = World::new().await;
    let position = world.change(1, "dealstage", "contractsent", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    world.office.refuse(tonic::Status::invalid_argument("parties[0].email: not an e-mail address"));
    let position = world.change(2, "dealstage", "billme", Actor::Human).await;
    world.until_handled(TRIGGERS, position).await;
    world.deals.fail([unwell(), unknown_property()]);
    let id = envelope();
    let declined = Fact::Declined { reason: Some(Personal::new("Dana Buyer is angry")), at: START };
    let position = world.tell(&id, vec![requested("order-form"), created(), sent(), declined]).await;
    world.until_handled(WRITES, position).await;
    world.dead_letters().await;

    let heard = ear.heard();
    for spoken in ["trigger taken", "the record cannot become an envelope", "record not written"] {
        assert!(heard.contains(spoken), "`{spoken}` was not heard");
    }
    for secret in ["Dana", "buyer.test", "files.test", "review.test", "angry"] {
        assert!(!heard.contains(secret), "`{secret}` was logged");
    }
}
