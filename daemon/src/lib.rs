//! `trucad` as a library: what `main.rs` runs, and what tests and fuzz targets reach into.
//!
//! Three wings, one for each kind of visitor, that never import one another: [`page`] for browsers, [`mesh`]
//! for other nodes, [`host`] for the router itself. They meet as [`event::Event`]s in the node.

// Who reads this reads the source: links may lead to what is private
#![allow(rustdoc::private_intra_doc_links)]

#[cfg(test)]
mod documents;
pub mod event;
#[cfg(any(test, feature = "fuzz"))]
#[doc(hidden)]
pub mod fuzz;
pub mod host;
pub mod listen;
pub mod mesh;
pub mod node;
pub mod outbox;
pub mod page;
pub mod run;
pub mod task;
pub mod tls;
