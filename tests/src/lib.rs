//! What the scenario tests share: keys, a network in virtual time, and people in it.

pub mod keys;
pub mod sim;
