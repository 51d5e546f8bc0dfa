//! The fields of a frame, written and read.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use crate::secret::Secret;

/// Of a path or host, a target, and a message, in bytes.
const TEXT_LIMIT: usize = 16 * 1024;

/// A frame that is written in one piece: half of one would be another.
pub struct Frame(Zeroizing<Vec<u8>>);

impl Frame {
    /// A frame of `kind`, with room for so much and what stands around it: it must not move, or
    /// secrets would be left behind.
    pub fn new(kind: u8, room: usize) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(room + 4096));
        bytes.push(kind);
        Self(bytes)
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Bytes, behind their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        // What is longer is refused by the reader.
        self.0.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// Writes it.
    pub fn send(self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.0)?;
        to.flush()
    }
}

/// One byte.
pub fn byte(from: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    let [byte] = byte;
    Ok(byte)
}

/// A number.
pub fn number(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Bytes, `limit` at the most; wiped when dropped, whatever they are.
pub fn bytes(from: &mut impl Read, limit: usize) -> io::Result<Secret> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(garbled());
    }
    let bytes = Secret::read_from(from.take(length as u64), length)?;
    if bytes.len() == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A text.
pub fn text(from: &mut impl Read) -> io::Result<String> {
    let bytes = bytes(from, TEXT_LIMIT)?;
    std::str::from_utf8(bytes.expose()).map(str::to_owned).map_err(|_| garbled())
}

/// What nobody writes.
pub fn garbled() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
