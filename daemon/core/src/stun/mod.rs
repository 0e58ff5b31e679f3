//! STUN (RFC 8489): reading and writing messages, and the Binding responder.
