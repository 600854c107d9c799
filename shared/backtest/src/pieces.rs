//! Files become pieces of whole rows. One thread reads (and unpacks) them; the cores work on pieces.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use kairos_engine::bounds::{BACKTEST_PIECE_BYTES, BACKTEST_ROW_BYTES_MAX};

use crate::formats::RowReader;
use crate::{BacktestError, File, Options};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Some whole rows of a file.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Its number in the whole recording.
    pub(crate) number: u32,
    /// Which file.
    pub(crate) file: usize,
    /// What reads its rows.
    pub(crate) reader: Arc<RowReader>,
    /// Lines of the file before the first piece of it: its header.
    pub(crate) lines_before: u64,
    /// The rows.
    pub(crate) text: Vec<u8>,
}

/// Cuts files into pieces and gives them to `send`, which says whether more are wanted. Where the cuts are
/// depends on the files alone.
pub(crate) fn cut(
    files: Vec<File>,
    options: &Options,
    bytes_read: &AtomicU64,
    mut send: impl FnMut(Piece) -> bool,
) -> Result<(), BacktestError> {
    let mut number = 0;
    for (index, File { name, input }) in files.into_iter().enumerate() {
        let unreadable = |error: std::io::Error| BacktestError::Unreadable { file: name.clone(), error };
        let mut input = BufReader::with_capacity(BACKTEST_PIECE_BYTES, Counted { input, bytes_read });
        let mut input: Box<dyn Read> = if input.fill_buf().map_err(unreadable)?.starts_with(&GZIP_MAGIC) {
            Box::new(MultiGzDecoder::new(input))
        } else {
            Box::new(input)
        };
        let mut text = Vec::new();
        let mut rows: Option<(Arc<RowReader>, u64)> = None;
        let mut wanted = BACKTEST_PIECE_BYTES;
        loop {
            let ends = fill(&mut input, &mut text, wanted).map_err(unreadable)?;
            if rows.is_none() {
                rows = begin(&mut text, ends, &name, options)?;
            }
            let end = match &rows {
                Some(_) if ends => Some(text.len()),
                Some((reader, _)) => end_of_rows(&text, reader.is_table()),
                None => None,
            };
            match (end, &rows) {
                (Some(end), Some((reader, lines_before))) => {
                    let rest = text.split_off(end);
                    let text = std::mem::replace(&mut text, rest);
                    let piece =
                        Piece { number, file: index, reader: Arc::clone(reader), lines_before: *lines_before, text };
                    if !piece.text.is_empty() && !send(piece) {
                        return Ok(());
                    }
                    number += 1;
                    wanted = BACKTEST_PIECE_BYTES;
                }
                _ if ends => {}
                _ if text.len() > BACKTEST_ROW_BYTES_MAX + BACKTEST_PIECE_BYTES => {
                    return Err(BacktestError::RowTooLong { file: name });
                }
                _ => wanted = text.len() + BACKTEST_PIECE_BYTES,
            }
            if ends {
                break;
            }
        }
    }
    Ok(())
}

/// Recognises a file by its first line and takes the header out of `text`; `None` while there is none.
fn begin(
    text: &mut Vec<u8>,
    ends: bool,
    name: &str,
    options: &Options,
) -> Result<Option<(Arc<RowReader>, u64)>, BacktestError> {
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    let Some(start) = text.iter().position(|byte| !byte.is_ascii_whitespace()) else { return Ok(None) };
    let end = match memchr::memchr(b'\n', &text[start..]) {
        Some(end) => start + end + 1,
        None if ends => text.len(),
        None => return Ok(None),
    };
    let (reader, header) = RowReader::recognise(&text[start..end], options.format, &options.purchases)
        .map_err(|what| BacktestError::Unknown { file: name.to_owned(), what })?;
    let before = text.drain(..start + header).filter(|byte| *byte == b'\n').count();
    Ok(Some((Arc::new(reader), before as u64)))
}

/// Reads until `text` has `wanted` bytes; gives whether the input ends.
fn fill(input: &mut impl Read, text: &mut Vec<u8>, wanted: usize) -> std::io::Result<bool> {
    let missing = wanted.saturating_sub(text.len()) as u64;
    let read = input.by_ref().take(missing).read_to_end(text)?;
    Ok((read as u64) < missing)
}

/// Where the last whole row ends.
fn end_of_rows(text: &[u8], is_table: bool) -> Option<usize> {
    if !is_table || memchr::memchr(b'"', text).is_none() {
        return memchr::memrchr(b'\n', text).map(|end| end + 1);
    }
    // A line end in quotes is part of a field.
    let (mut quotes, mut end) = (0_usize, None);
    for position in memchr::memchr2_iter(b'"', b'\n', text) {
        match text[position] {
            b'"' => quotes += 1,
            _ if quotes.is_multiple_of(2) => end = Some(position + 1),
            _ => {}
        }
    }
    end
}

/// Counts what is read, for progress.
struct Counted<'a> {
    input: Box<dyn Read + Send>,
    bytes_read: &'a AtomicU64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
