//! How things are written: [`page`] messages (JSON, `docs/protocol.md` sections 3–8) and [`node`] frames
//! (postcard, section 9), with the fixed-size [`bytes`] they share.
//!
//! Only shapes and their limits; what a message means is decided elsewhere.

pub mod bytes;
#[cfg(test)]
mod examples;
pub mod node;
pub mod page;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod vectors;
