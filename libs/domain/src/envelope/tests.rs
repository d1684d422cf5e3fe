//! Stories and laws of the envelope.
