//! What browsers touch: HTTPS, the embedded page, the WebSocket.

pub mod assets;
pub mod explain;
pub mod http;
pub mod place;
mod request;
mod respond;
pub mod site;
pub mod ws;
