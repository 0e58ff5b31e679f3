//! Where a message ends in a stream: STUN and ChannelData over TCP (RFC 8489 section 6.2.2, RFC 8656 section
//! 12.5).

use super::HEADER;

/// What the first bytes of a stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// The beginning of a message: more must be read.
    Incomplete,
    /// A message of `length` bytes; the next one begins after `total`, since ChannelData is padded in a stream.
    Whole {
        /// Bytes of the message.
        length: usize,
        /// Bytes until the next one.
        total: usize,
    },
    /// Neither STUN nor ChannelData, or longer than a reader keeps: the stream cannot be followed any more.
    Broken,
}

/// Looks for the end of the message that these bytes begin with; `most` is the longest that is taken.
pub fn frame(bytes: &[u8], most: usize) -> Frame {
    let &[first, _, high, low, ..] = bytes else {
        // two bits tell the protocol: what is none of the two never becomes one
        return if bytes.first().is_some_and(|first| *first >= 0x80) {
            Frame::Broken
        } else {
            Frame::Incomplete
        };
    };
    let size = usize::from(u16::from_be_bytes([high, low]));
    let length = match first {
        0x00..=0x3f if size % 4 == 0 => HEADER + size,
        // RFC 5766 section 11: channel numbers are 0x4000 to 0x7FFF; RFC 8656 leaves those above 0x4FFF unused
        0x40..=0x7f => 4 + size,
        _ => return Frame::Broken,
    };
    let total = length.next_multiple_of(4);
    match total {
        total if total > most => Frame::Broken,
        total if total > bytes.len() => Frame::Incomplete,
        total => Frame::Whole { length, total },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages_and_channel_data_is_padded() {
        let request = [0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42];
        assert_eq!(frame(&request, 2048), Frame::Incomplete);
        assert_eq!(frame(&[&request[..], &[0; 99]].concat(), 2048), Frame::Whole { length: 24, total: 24 });
        assert_eq!(frame(&[0x40, 0, 0, 5, 1, 2, 3, 4, 5], 2048), Frame::Incomplete);
        let padded = [0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0x40];
        assert_eq!(frame(&padded, 2048), Frame::Whole { length: 9, total: 12 });
        assert_eq!(frame(&padded[..2], 2048), Frame::Incomplete);
        assert_eq!(frame(&[], 2048), Frame::Incomplete);
    }

    #[test]
    fn what_cannot_be_followed_is_broken_at_once() {
        assert_eq!(frame(b"GET / HTTP/1.1", 2048), Frame::Broken);
        assert_eq!(frame(&[0x16], 2048), Frame::Incomplete, "0x16 may begin a STUN type that nobody uses");
        assert_eq!(frame(&[0x16, 3, 1, 2, 0], 200), Frame::Broken, "a TLS hello is longer than we take");
        assert_eq!(frame(&[0x80], 2048), Frame::Broken);
        assert_eq!(frame(&[0, 1, 0, 3], 2048), Frame::Broken, "lengths are multiples of four");
        assert_eq!(frame(&[0, 1, 0xff, 0xfc], 2048), Frame::Broken);
        assert_eq!(frame(&[0x7f, 0xff, 0xff, 0xff], 2048), Frame::Broken);
        assert_eq!(frame(&[0x80, 0, 0, 4], 2048), Frame::Broken);
    }
}
