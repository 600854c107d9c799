//! The rows of some days into a tally: the newest, as many as there is room for.

use futures_util::StreamExt;
use futures_util::stream;
use kairos_cloud::archive::ArchiveBucket;
use kairos_engine::bounds::REPORT_LANES_MAX;
use kairos_engine::facts::Row;
use kairos_engine::playbook::Playbook;
use kairos_engine::time::Span;
use kairos_insights::{LeftOut, Period, Tally};
use kairos_protocol::archive::partition;
use kairos_protocol::port::Fault;

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The rows, counted.
    pub tally: Tally,
    /// What was not.
    pub left_out: LeftOut,
}

/// Reads the archive's rows of some days: their newest objects, of so many bytes together at most. One that cannot be read is
/// left out and counted, so that it does not cost the report of all others.
///
/// # Errors
/// When S3 fails, or no object at all can be read.
pub async fn days(bucket: &ArchiveBucket, playbook: &Playbook, period: Period, bytes_max: u64) -> Result<Read, Fault> {
    let mut all = Vec::new();
    for number in 0..i64::from(period.days) {
        let hour = partition(period.from.plus(Span::from_hours(24 * number)));
        let day = hour.split_once("/hour=").map_or(hour.as_str(), |(day, _)| day);
        all.extend(sizes(bucket, &format!("{day}/")).await?);
    }
    let (names, left_out) = newest(all, bytes_max);
    let mut read = Read { tally: Tally::of(playbook), left_out: LeftOut { objects: left_out, ..LeftOut::default() } };
    let mut objects = stream::iter(&names).map(|name| bucket.read(name)).buffered(REPORT_LANES_MAX);
    let (mut is_read, mut unreadable) = (false, None);
    // In the order of their names: so each user's rows come in theirs.
    while let Some(object) = objects.next().await {
        let object = match object {
            Ok(object) => object,
            Err(Fault::Permanent { what, why }) => {
                tracing::error!(what, why, "an object of the archive cannot be read; the report goes on without it");
                read.left_out.objects += 1;
                unreadable = Some(Fault::Permanent { what, why });
                continue;
            }
            Err(fault) => return Err(fault),
        };
        is_read = true;
        for line in object.rows.lines() {
            match serde_json::from_str::<Row>(line) {
                Ok(row) => read.tally.note(&row),
                Err(_) => read.left_out.rows += 1,
            }
        }
    }
    match unreadable.filter(|_| !is_read) {
        Some(fault) => Err(fault),
        None => Ok(read),
    }
}

async fn sizes(bucket: &ArchiveBucket, prefix: &str) -> Result<Vec<(String, u64)>, Fault> {
    let mut all: Vec<(String, u64)> = Vec::new();
    loop {
        let page = bucket.sizes(prefix, all.last().map(|(name, _)| name.clone())).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// The newest objects of so many bytes together at most, in their order, and how many are left out.
fn newest(mut all: Vec<(String, u64)>, bytes_max: u64) -> (Vec<String>, u64) {
    let mut bytes = 0_u64;
    let kept = all.iter().rev().take_while(|(_, size)| {
        bytes = bytes.saturating_add(*size);
        bytes <= bytes_max
    });
    let left_out = all.len() - kept.count();
    let names = all.split_off(left_out).into_iter().map(|(name, _)| name);
    (names.collect(), left_out as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_objects_are_read_and_the_others_counted() {
        let all = || ["a", "b", "c", "d"].map(|name| (name.to_owned(), 10)).to_vec();
        for (bytes_max, names, left_out) in
            [(40, &["a", "b", "c", "d"][..], 0), (39, &["b", "c", "d"], 1), (10, &["d"], 3), (9, &[], 4)]
        {
            let (kept, left) = newest(all(), bytes_max);
            assert_eq!((kept.iter().map(String::as_str).collect::<Vec<_>>(), left), (names.to_vec(), left_out));
        }
    }
}
