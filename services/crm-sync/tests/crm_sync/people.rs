//! People work in the CRM too: what they decide after us stays.

use crate::support::{World, completed, created, fields, requested, sent};
use crate::writes::envelope;

#[tokio::test]
async fn a_stage_that_a_person_moved_after_us_is_left_and_the_rest_is_written() {
    let world = World::new().await;
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created(), sent()]).await;
    world.deals.until("7", &[("dealstage", "contract_out")]).await;
    world.deals.set("7", fields(&[("dealstage", "closedlost")]));
    world.tell(&id, vec![completed()]).await;
    world.deals.until("7", &[("esign_status", "Signed")]).await;
    assert_eq!(world.deals.get("7")["dealstage"], "closedlost");
    assert_eq!(world.deals.applied().last(), Some(&fields(&[("esign_status", "Signed")])));
}

#[tokio::test]
async fn a_stage_that_a_person_moved_before_our_first_write_of_it_is_left_as_well() {
    let world = World::new().await;
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created()]).await;
    world.deals.until("7", &[("esign_envelope_id", "prov_1")]).await;
    world.deals.set("7", fields(&[("dealstage", "closedlost")]));
    world.tell(&id, vec![sent()]).await;
    world.deals.until("7", &[("esign_status", "Pending")]).await;
    assert_eq!(world.deals.get("7")["dealstage"], "closedlost");
}

#[tokio::test]
async fn a_stage_that_a_person_set_to_what_we_want_is_agreed_with() {
    let world = World::new().await;
    let id = envelope();
    world.tell(&id, vec![requested("order-form"), created(), sent()]).await;
    world.deals.until("7", &[("dealstage", "contract_out")]).await;
    world.deals.set("7", fields(&[("dealstage", "closedwon")]));
    world.tell(&id, vec![completed()]).await;
    world.deals.until("7", &[("esign_status", "Signed"), ("dealstage", "closedwon")]).await;
}
