//! The server as its clients and their peers see it.

mod allocate;
mod hostile;
mod relaying;
mod rig;
