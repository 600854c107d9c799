use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;

use kairos_insights::figures::{Figures, Period};

use super::*;
use crate::figures::tests::World;

const HOUR: i64 = 3_600_000;

/// Objects, of which some writes fail: before or after they have happened.
#[derive(Default)]
struct Bucket {
    objects: RefCell<BTreeMap<String, Object>>,
    random: RefCell<u64>,
    /// Of so many writes one fails; none without it.
    one_fails_in: Option<u64>,
}

impl Bucket {
    /// The next number below a bound (a linear congruential generator, by its upper bits).
    fn draw(&self, below: u64) -> u64 {
        let mut random = self.random.borrow_mut();
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % below
    }

    fn rows(&self) -> Vec<String> {
        self.objects
            .borrow()
            .values()
            .flat_map(|object| object.rows.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }
}

impl ArchiveStore for Bucket {
    async fn put(&self, object: &Object) -> Result<Put, Fault> {
        let fails = self.one_fails_in.is_some_and(|one_in| self.draw(one_in) == 0);
        let fault = || Fault::Retryable { what: "put", why: "the network is gone".into() };
        if fails && self.draw(2) == 0 {
            return Err(fault());
        }
        let mut objects = self.objects.borrow_mut();
        if let Some(there) = objects.get(&object.name) {
            return Ok(Put::There { last: there.last.clone() });
        }
        objects.insert(object.name.clone(), object.clone());
        if fails { Err(fault()) } else { Ok(Put::Written) }
    }
}

impl ArchivedObjects for Bucket {
    async fn all_names(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        Ok(self.objects.borrow().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn read(&self, name: &str) -> Result<Object, Fault> {
        Ok(self.objects.borrow()[name].clone())
    }
}

fn told(number: u64, at: i64, rows: usize) -> Told {
    let rows = (0..rows).map(|row| format!("{{\"number\":{number},\"row\":{row}}}")).collect();
    // Numbers of streams have more digits than a machine's.
    let sequence = format!("9{number:030}");
    Told { stream: Stream::Users, sequence, at: Timestamp::from_millis(at), rows: Ok(rows) }
}

/// Archives with figures that never fail.
fn archived(bucket: &Bucket, batch: Vec<Told>) -> Archived {
    let world = World::at("2026-11-22T14:00:00Z");
    run(archive(bucket, &world, &world, batch)).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    // Nothing of it waits.
    future.now_or_never().unwrap()
}

#[test]
fn a_batch_becomes_one_object_for_each_hour() {
    let bucket = Bucket::default();
    let batch = vec![told(1, 10, 2), told(2, 20, 0), told(3, HOUR - 1, 1), told(4, HOUR, 1)];
    let archived = archived(&bucket, batch);
    assert_eq!((archived.objects, archived.rows, archived.counted), (2, 4, 2));
    let names: Vec<String> = bucket.objects.borrow().keys().cloned().collect();
    let name = |hour: &str, number: u64| format!("facts/day=1970-01-01/hour={hour}/0000000009{number:030}.ndjson.gz");
    assert_eq!(names, [name("00", 1), name("01", 4)]);
}

#[test]
fn what_cannot_be_read_is_passed_over_alone() {
    let bucket = Bucket::default();
    let damaged = Told { rows: Err("its facts are no text".into()), ..told(2, 10, 0) };
    let archived = archived(&bucket, vec![told(1, 10, 1), damaged, told(3, 10, 1)]);
    assert_eq!((archived.rows, archived.unreadable), (2, vec!["its facts are no text".to_owned()]));
}

#[test]
fn a_large_batch_is_cut_into_objects_of_bounded_size() {
    let bucket = Bucket::default();
    let row = "x".repeat(1_000_000);
    let batch = (0..40).map(|number| Told { rows: Ok(vec![row.clone()]), ..told(number, 10, 0) }).collect();
    let archived = archived(&bucket, batch);
    assert_eq!((archived.objects, archived.rows), (3, 40));
    assert!(bucket.objects.borrow().values().all(|object| object.rows.len() <= ARCHIVE_OBJECT_BYTES_MAX));
}

#[test]
fn objects_of_two_streams_have_names_of_their_own() {
    let bucket = Bucket::default();
    for stream in [Stream::Users, Stream::Deliveries] {
        archived(&bucket, vec![Told { stream, ..told(1, 10, 1) }]);
    }
    assert_eq!(bucket.objects.borrow().len(), 2, "though their numbers are the same");
}

#[test]
fn what_figures_can_never_take_is_archived_all_the_same() {
    struct Broken;
    impl FiguresStore for Broken {
        async fn load(&self, _: Period) -> Result<Option<Figures>, Fault> {
            Err(Fault::Permanent { what: "load", why: "it is damaged".into() })
        }
        async fn load_between(&self, _: Period, _: Timestamp) -> Result<Vec<(Period, Figures)>, Fault> {
            Ok(Vec::new())
        }
        async fn save(&self, _: Period, _: &Figures, _: Option<u64>) -> Result<bool, Fault> {
            Ok(false)
        }
        async fn forget(&self, _: Period) -> Result<(), Fault> {
            Ok(())
        }
    }
    let (bucket, world) = (Bucket::default(), World::at("2026-11-22T14:00:00Z"));
    let archived = run(archive(&bucket, &Broken, &world, vec![told(1, 10, 1), told(2, HOUR, 1)])).unwrap();
    assert_eq!((archived.objects, archived.counted, archived.figures_failed.len()), (2, 0, 2));
}

#[test]
fn each_row_is_there_once_and_counted_once_however_batches_fail_and_end() {
    for seed in 0..500 {
        let bucket = Bucket { one_fails_in: Some(3), random: RefCell::new(seed), ..Bucket::default() };
        let world = World { one_fails_in: Some(3), random: Cell::new(seed), ..World::at("1970-01-02T00:00:00Z") };
        let all: Vec<Told> =
            (0..60).map(|number| told(number, number as i64 * HOUR / 7, (number % 4) as usize)).collect();
        let mut position = 0;
        while position < all.len() {
            // The stream goes on where it was; a batch that comes again may have become longer meanwhile.
            let mut end = position + 1 + bucket.draw(8) as usize;
            loop {
                end = end.min(all.len());
                match run(archive(&bucket, &world, &world, all[position..end].to_vec())) {
                    // The answer may be lost.
                    Ok(_) if bucket.draw(4) > 0 => break,
                    Ok(_) | Err(_) => end += bucket.draw(3) as usize,
                }
            }
            position = end;
        }
        let rows = bucket.rows();
        let distinct: BTreeSet<_> = rows.iter().collect();
        let expected: usize = all.iter().map(|told| told.rows.as_ref().map_or(0, Vec::len)).sum();
        assert_eq!((rows.len(), distinct.len()), (expected, expected), "seed {seed}");
        // What stands here is no row, and counted as such.
        let counted: u64 = world.figures.borrow().values().map(|hour| hour.counts.unreadable).sum();
        assert_eq!(counted, expected as u64, "seed {seed}");
    }
}
