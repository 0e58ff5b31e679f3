//! What browsers touch: HTTPS, the embedded page, the WebSocket.
