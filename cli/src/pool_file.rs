//! A file with promo codes of the shop's own: one a line, or CSV with a column `code`. Read, and brought into a pool.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use kairos_engine::bounds::{PROMO_POOL_FILE_CODES_MAX, PROMO_POOL_LANES_MAX};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Fault;
use kairos_protocol::promo_codes::{CodeKey, CodeSaved, PromoCode, PromoCodes};

use crate::terminal::Progress;

/// The column that codes stand in.
const COLUMN: &str = "code";

/// A file of codes, read as far as it can be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolFile {
    /// The codes as they are written, each with its line from 1.
    pub codes: Vec<(u64, String)>,
    /// What is wrong, by line.
    pub refused: BTreeMap<u64, String>,
}

/// Why a file is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum PoolFileError {
    /// A table that is broken.
    #[error("the file is read as CSV, since its first line names a column `code`, and cannot be: {0}")]
    NotCsv(csv::Error),
    /// Too many codes.
    #[error("the file has more than {PROMO_POOL_FILE_CODES_MAX} codes: bring it in in parts")]
    TooMany,
    /// No code.
    #[error("the file has no codes: write one a line, or CSV whose first line names a column `code`")]
    Empty,
}

/// What became of the codes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Codes that are new in the pool.
    pub added: u64,
    /// Codes that were in the pool before.
    pub known: u64,
    /// What is wrong, by line.
    pub refused: BTreeMap<u64, String>,
}

impl PoolFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it has no codes, too many, or cannot be told apart into rows. A wrong row does not cost its neighbours.
    pub fn read(text: &str) -> Result<Self, PoolFileError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let is_table = header.split([',', ';', '\t']).any(is_code_column);
        let rows = if is_table { table(text, header)? } else { lines(text) };
        if rows.is_empty() {
            return Err(PoolFileError::Empty);
        }
        if rows.len() > PROMO_POOL_FILE_CODES_MAX {
            return Err(PoolFileError::TooMany);
        }
        let mut file = Self::default();
        let mut seen: BTreeMap<CodeKey, u64> = BTreeMap::new();
        for (line, code) in rows {
            match CodeKey::parse(&code) {
                Err(error) => drop(file.refused.insert(line, error.to_string())),
                Ok(key) => match seen.get(&key) {
                    Some(before) => {
                        let message =
                            format!("line {before} has this code already (blanks, hyphens and case do not count)");
                        file.refused.insert(line, message);
                    }
                    None => {
                        seen.insert(key, line);
                        file.codes.push((line, code));
                    }
                },
            }
        }
        Ok(file)
    }

    /// Brings the codes into a pool. Doing it again changes nothing, whatever has become of the codes meanwhile.
    ///
    /// # Errors
    /// When the table fails; what was brought in before that stays.
    pub async fn bring_into(
        &self,
        codes: &impl PromoCodes,
        pool: &str,
        now: Timestamp,
        progress: &Progress,
    ) -> Result<Imported, Fault> {
        let mut imported = Imported { refused: self.refused.clone(), ..Imported::default() };
        let calls = self.codes.iter().map(|(line, code)| async move { (*line, bring(codes, code, pool, now).await) });
        let mut calls = stream::iter(calls).buffer_unordered(PROMO_POOL_LANES_MAX);
        while let Some((line, brought)) = calls.next().await {
            match brought? {
                Brought::Added => imported.added += 1,
                Brought::Known => imported.known += 1,
                Brought::Refused(why) => drop(imported.refused.insert(line, why)),
            }
            progress.advance(1);
        }
        Ok(imported)
    }
}

enum Brought {
    Added,
    Known,
    Refused(String),
}

async fn bring(codes: &impl PromoCodes, code: &str, pool: &str, now: Timestamp) -> Result<Brought, Fault> {
    let code = match PromoCode::in_pool(code, pool, now) {
        Ok(code) => code,
        Err(error) => return Ok(Brought::Refused(error.to_string())),
    };
    Ok(match codes.save(&code, None).await? {
        CodeSaved::Written => Brought::Added,
        CodeSaved::Conflict(Some(there)) => match there.pool {
            Some(other) if other == pool => Brought::Known,
            Some(other) => Brought::Refused(format!("the pool `{other}` has this code already")),
            None => Brought::Refused("Kairos has given this code to somebody already".to_owned()),
        },
        // It was there and is not any more: another import, or its end.
        CodeSaved::Conflict(None) => {
            Brought::Refused("somebody else changed this code meanwhile: try again".to_owned())
        }
    })
}

fn is_code_column(name: &str) -> bool {
    name.trim().trim_matches('"').eq_ignore_ascii_case(COLUMN)
}

fn lines(text: &str) -> Vec<(u64, String)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| (number, line.to_owned())).collect()
}

fn table(text: &str, header: &str) -> Result<Vec<(u64, String)>, PoolFileError> {
    let delimiter = [b';', b'\t'].into_iter().find(|delimiter| header.as_bytes().contains(delimiter)).unwrap_or(b',');
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = reader.headers().map_err(PoolFileError::NotCsv)?;
    let column = columns.iter().position(is_code_column).unwrap_or_default();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(PoolFileError::NotCsv)?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record.get(column).unwrap_or_default().to_owned()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn codes(text: &str) -> Vec<(u64, String)> {
        let file = PoolFile::read(text).unwrap();
        assert_eq!(file.refused, BTreeMap::new(), "{text}");
        file.codes
    }

    #[test]
    fn a_file_is_a_code_a_line_or_a_table_with_a_column_for_it() {
        let both = [(1, "AUTUMN-01".to_owned()), (3, "AUTUMN-02".to_owned())];
        assert_eq!(codes("AUTUMN-01\n\n AUTUMN-02 \r\n"), both);
        assert_eq!(codes("\u{feff}AUTUMN-01\n\nAUTUMN-02"), both);
        let below = [(2, "AUTUMN-01".to_owned()), (3, "AUTUMN-02".to_owned())];
        for text in [
            "Code\nAUTUMN-01\nAUTUMN-02\n",
            "id,code,created\n1,AUTUMN-01,x\n2,AUTUMN-02,\n",
            "code;note\nAUTUMN-01;\"a; b\"\nAUTUMN-02;\n",
            "\"code\"\n\"AUTUMN-01\"\n\"AUTUMN-02\"\n",
        ] {
            assert_eq!(codes(text), below, "{text}");
        }
    }

    #[test]
    fn a_wrong_row_is_told_and_does_not_cost_its_neighbours() {
        let file = PoolFile::read("AUTUMN-01\nautumn 01\nab\nAUTUMN,02\nAUTUMN-03\n").unwrap();
        assert_eq!(file.codes.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 5]);
        let told: Vec<_> = file.refused.iter().map(|(line, why)| format!("{line}: {why}")).collect();
        assert_eq!(told.len(), 3);
        assert!(told[0].starts_with("2: line 1 has this code already"), "{told:?}");
        assert!(told[1].starts_with("3: a code has 4 to 40 letters and digits, this one has 2"), "{told:?}");
        assert!(told[2].starts_with("4: `,` cannot be part of a code"), "{told:?}");
        for text in ["", "\n \n", "code\n"] {
            assert!(matches!(PoolFile::read(text), Err(PoolFileError::Empty)), "{text:?}");
        }
    }
}
