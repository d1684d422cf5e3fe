//! Outgoing webhooks: signed for each attempt, identical bytes on each retry, disturbed on request.
//!
//! Messages of one lane (an envelope, a deal) start in order: the next first attempt waits for the answer to the one before, as
//! long as the deadline allows. Retries run beside the lane, so a refused message is overtaken by later ones, as with real vendors.

mod disturbance;
mod message;
mod policy;
mod record;
mod sender;

pub use disturbance::{Disturbance, Mixed, Mode};
pub use message::{Answer, Attempt, Message, OnAnswer, Sign, Signed, Tamper};
pub use policy::Policy;
pub use record::{AttemptRecord, DeliveryRecord, DeliveryState};
pub use sender::WebhookSender;
