//! A file of dead addresses: CSV, as `kairos suppressions export` writes it and other systems do. Read, and brought into the
//! suppression list.

use std::collections::BTreeMap;
use std::io::Write;

use futures_util::stream::{self, StreamExt};
use kairos_cloud::suppressions::{Changed, Suppression, SuppressionsTable};
use kairos_engine::bounds::{SUPPRESSIONS_FILE_ROWS_MAX, SUPPRESSIONS_LANES_MAX};
use kairos_engine::consent::SuppressionReason;
use kairos_engine::identifiers::AddressKey;
use kairos_engine::playbook::Channel;
use kairos_engine::profile::Profile;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use serde_json::{Map, Value};

use crate::terminal::Progress;

/// The columns of an export, in their order. An import needs `address`, or `key`; the others may be missing.
pub const COLUMNS: [&str; 6] = ["channel", "address", "key", "reason", "source", "at"];

/// What is written as the source of what nobody names one for.
const SOURCE: &str = "import";

/// A file of addresses, read as far as it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuppressionFile {
    /// The addresses.
    pub suppressions: Vec<Suppression>,
    /// What is wrong, by line.
    pub refused: BTreeMap<u64, String>,
}

/// Why a file is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum SuppressionFileError {
    /// A table that is broken.
    #[error("the file cannot be read as CSV: {0}")]
    NotCsv(csv::Error),
    /// No column to go by.
    #[error("the first line names neither a column `address` nor `key`; a whole one is: {}", COLUMNS.join(","))]
    NoColumn,
    /// Too many rows.
    #[error("the file has more than {SUPPRESSIONS_FILE_ROWS_MAX} rows: bring it in in parts")]
    TooMany,
}

/// The address as it is kept, when it could be one on this channel.
pub fn address_on(channel: Channel, address: &str) -> Option<String> {
    let name = match channel {
        Channel::Email => "email",
        Channel::Sms => "phone",
        Channel::Whatsapp => "whatsapp",
        Channel::Telegram => "telegram_chat_id",
        Channel::Viber => "viber_id",
        Channel::Webhook | Channel::OnSite | Channel::WebPush | Channel::MobilePush => return None,
    };
    let mut profile = Profile::default();
    profile.apply(&Map::from_iter([(name.to_owned(), Value::from(address))]), &[]);
    profile.address(channel).map(str::to_owned)
}

/// The channel with this name.
///
/// # Errors
/// What there is instead.
pub fn channel_named(name: &str) -> Result<Channel, String> {
    let name = name.trim();
    // What shows notifications has no address that anybody could write down.
    let is_written = |channel: &Channel| !matches!(channel, Channel::WebPush | Channel::MobilePush);
    let known = || Channel::PERSONAL.into_iter().filter(is_written);
    let found = known().find(|channel| channel.as_str().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let known = known().map(Channel::as_str).collect::<Vec<_>>().join(", ");
        format!("`{name}` is no channel with addresses: write one of {known}")
    })
}

/// The reason with this name.
///
/// # Errors
/// What there is instead.
pub fn reason_named(name: &str) -> Result<SuppressionReason, String> {
    SuppressionReason::parse(name).ok_or_else(|| {
        let known = SuppressionReason::ALL.map(|(name, _)| name).join(", ");
        format!("`{}` is no reason: write one of {known}", name.trim())
    })
}

impl SuppressionFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be told apart into rows, or is too long. A wrong row does not cost its neighbours.
    pub fn read(text: &str, now: Timestamp) -> Result<Self, SuppressionFileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let header = text.lines().next().unwrap_or_default();
        let delimiter =
            [b';', b'\t'].into_iter().find(|delimiter| header.as_bytes().contains(delimiter)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let columns = reader.headers().map_err(SuppressionFileError::NotCsv)?;
        let column = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let places = COLUMNS.map(column);
        if places[1].is_none() && places[2].is_none() {
            return Err(SuppressionFileError::NoColumn);
        }
        let mut file = Self::default();
        for record in reader.records() {
            let record = record.map_err(SuppressionFileError::NotCsv)?;
            if file.suppressions.len() + file.refused.len() == SUPPRESSIONS_FILE_ROWS_MAX {
                return Err(SuppressionFileError::TooMany);
            }
            let fields = places.map(|place| place.and_then(|place| record.get(place)).unwrap_or_default());
            match row(fields, now) {
                Ok(suppression) => file.suppressions.push(suppression),
                Err(why) => drop(file.refused.insert(record.position().map_or(0, csv::Position::line), why)),
            }
        }
        Ok(file)
    }

    /// Puts the addresses on the list. Doing it again changes nothing. Gives how many are there now, and how many were left
    /// as they are because their owners have complained.
    ///
    /// # Errors
    /// When the table fails; what was brought in before that stays.
    pub async fn bring_into(&self, list: &SuppressionsTable, progress: &Progress) -> Result<(u64, u64), Fault> {
        let calls = self.suppressions.iter().map(|suppression| list.add(suppression));
        let mut calls = stream::iter(calls).buffer_unordered(SUPPRESSIONS_LANES_MAX);
        let (mut added, mut left) = (0, 0);
        while let Some(changed) = calls.next().await {
            match changed? {
                Changed::Done => added += 1,
                Changed::LeftAsItIs => left += 1,
            }
            progress.advance(1);
        }
        Ok((added, left))
    }
}

fn row(fields: [&str; 6], now: Timestamp) -> Result<Suppression, String> {
    let [channel, address, key, reason, source, at] = fields;
    let channel = if channel.is_empty() { Channel::Email } else { channel_named(channel)? };
    let address = match address {
        "" => None,
        address => Some(address_on(channel, address).ok_or(format!("this is no address for {channel}"))?),
    };
    let key = match (&address, key) {
        (Some(address), _) => AddressKey::of(channel, address),
        (None, "") => return Err("there is neither an address nor a key".to_owned()),
        (None, key) => AddressKey::parse(key).ok_or("a key is 32 hexadecimal digits, as an export writes it")?,
    };
    let reason = if reason.is_empty() { SuppressionReason::Manual } else { reason_named(reason)? };
    let at = match at {
        "" => now,
        at => Timestamp::parse(at).ok_or(format!("`{at}` is no time: write one as 2026-11-22T10:00:00Z"))?,
    };
    let source = if source.is_empty() { SOURCE } else { source };
    Ok(Suppression { channel, key, address, reason, source: source.to_owned(), at })
}

/// Writes the whole list as CSV, in no order. Gives how many there are.
///
/// # Errors
/// When DynamoDB fails, or what is written goes nowhere.
pub async fn export(
    list: &SuppressionsTable,
    out: &mut impl Write,
    progress: &Progress,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let mut rows = csv::Writer::from_writer(out);
    rows.write_record(COLUMNS)?;
    let (mut after, mut written) = (None, 0);
    loop {
        let (page, next) = list.page(after).await?;
        for suppression in &page {
            rows.write_record([
                suppression.channel.as_str(),
                suppression.address.as_deref().unwrap_or_default(),
                &suppression.key.to_string(),
                suppression.reason.as_str(),
                &suppression.source,
                &suppression.at.to_string(),
            ])?;
            written += 1;
        }
        progress.say(format!("{written} addresses"));
        after = next;
        if after.is_none() {
            rows.flush()?;
            return Ok(written);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    #[test]
    fn a_file_is_read_row_by_row_and_what_is_wrong_is_told() {
        let key = AddressKey::of(Channel::Email, "bob@shop.example").to_string();
        let text = format!(
            "channel;address;key;reason;source;at\n\
             email;Ann@shop.example;;hard_bounce;ses;2026-01-02T03:04:05Z\n\
             ;;{key};;;\n\
             sms;+49 151 2345678;;stop;;\n\
             pigeon;x;;;;\n\
             sms;0151;;;;\n\
             email;a@b.example;;bored;;\n\
             email;;xyz;;;\n\
             email;;;;;\n\
             email;a@b.example;;;;yesterday\n"
        );
        let file = SuppressionFile::read(&text, NOW).unwrap();
        let [ann, bob, phone] = file.suppressions.as_slice() else { panic!("{file:?}") };
        assert_eq!((ann.reason, ann.source.as_str()), (SuppressionReason::HardBounce, "ses"));
        assert_eq!(ann.key, AddressKey::of(Channel::Email, "ann@shop.example"));
        assert_eq!(ann.at.to_string(), "2026-01-02T03:04:05.000Z");
        assert_eq!((bob.key.to_string(), bob.address.as_deref(), bob.reason), (key, None, SuppressionReason::Manual));
        assert_eq!((phone.address.as_deref(), phone.at, phone.source.as_str()), (Some("+491512345678"), NOW, "import"));
        let told: Vec<_> = file.refused.iter().map(|(line, why)| format!("{line}: {why}")).collect();
        for (told, expected) in told.iter().zip([
            "5: `pigeon` is no channel",
            "6: this is no address for sms",
            "7: `bored` is no reason",
            "8: a key is 32",
            "9: there is neither",
            "10: `yesterday` is no time",
        ]) {
            assert!(told.starts_with(expected), "{told}");
        }
        assert_eq!(told.len(), 6);
        for (text, said) in [("name\nAnn\n", "neither a column"), ("", "neither a column")] {
            assert!(SuppressionFile::read(text, NOW).unwrap_err().to_string().contains(said), "{text}");
        }
    }
}
