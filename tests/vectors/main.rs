//! Every vector of the contracts that concerns a built vendor, good and bad, as bytes through the HTTP door: the
//! answer, and what lies in the log afterwards.
//!
//! `vectors.json` comes with the contracts; `texts.json` holds the vectors that their texts spell out. A vector
//! that nothing here posts fails the test that counts them.

mod atlas;
mod door;
mod hubspot;
mod pandadoc;
mod tables;
