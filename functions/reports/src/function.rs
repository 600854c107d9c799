//! What is asked for, and what is done in which order.

use std::sync::Arc;

use aws_sdk_dynamodb::Client as DynamoDb;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kairos_cloud::archive::ArchiveBucket;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::{optional, required};
use kairos_cloud::figures::FiguresTable;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::reports::ReportsBucket;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::{FIGURES_DAY_SETTLES, FIGURES_HOURS_RETENTION, REPORT_DAYS_MAX, REPORT_READ_BYTES_MAX};
use kairos_engine::playbook::Playbook;
use kairos_engine::time::{Span, Timestamp};
use kairos_insights::experiments::{Comparison, of_playbook};
use kairos_insights::{LeftOut, Period, STORED_REPORT_VERSION, StoredReport};
use kairos_protocol::figures::roll_up_and_check;
use kairos_protocol::port::{Clock, Fault};
use lambda_runtime::Error;
use serde::{Deserialize, Serialize};

use crate::letter::Letter;
use crate::reading::{self, Read};
use crate::sending::{Sender, Sending};
use crate::week::{Compared, Week};

const WEEK_DAYS: u32 = 7;

/// What a schedule of `template.yaml`, or a person, asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Asked {
    /// What to do.
    pub job: Job,
    /// The last day that it is about, as `2026-11-21` (UTC); yesterday without it.
    #[serde(default)]
    pub day: Option<String>,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Check the day's figures, and make the report of the last days.
    Daily,
    /// Write to the owner how the week was that ends with the day.
    Weekly,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// A report is kept.
    Kept {
        /// Its last day.
        day: String,
        /// Rows that were counted.
        rows: u64,
        /// Hours of the day whose figures had to be mended.
        mended: usize,
    },
    /// The week's letter.
    Week {
        /// The week, as in `2026-W47` (ISO 8601).
        week: String,
        /// What became of it.
        sending: Sending,
    },
    /// Nothing, as there is no playbook: nobody has published one.
    NoPlaybook,
    /// No letter, as there is nobody to write to (`OwnerEmail`).
    NoOwner,
}

/// What the function works with.
pub struct Reports {
    archive: ArchiveBucket,
    reports: ReportsBucket,
    figures: FiguresTable,
    playbooks: PlaybookStore,
    sender: Sender,
    days: u32,
    owner: Option<String>,
    console: String,
}

impl Reports {
    /// As the environment says.
    ///
    /// # Errors
    /// When a setting is missing, or is none.
    pub fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let dynamodb = DynamoDb::new(&config);
        let bucket = required("ARCHIVE_BUCKET")?;
        let days: u32 = required("REPORT_DAYS")?.parse()?;
        if !(1..=REPORT_DAYS_MAX).contains(&days) {
            return Err(format!("REPORT_DAYS is {days}: write a number from 1 to {REPORT_DAYS_MAX}").into());
        }
        Ok(Self {
            archive: ArchiveBucket::new(&config, bucket.clone()),
            reports: ReportsBucket::new(&config, bucket),
            figures: FiguresTable::new(dynamodb.clone(), required("FIGURES_TABLE")?),
            playbooks: PlaybookStore::new(dynamodb, required("PLAYBOOK_TABLE")?),
            sender: Sender::new(&config, required("EMAIL_IDENTITY")?),
            days,
            owner: optional("OWNER_EMAIL"),
            console: required("CONSOLE_URL")?,
        })
    }

    /// Does what is asked for.
    ///
    /// # Errors
    /// When a service fails, or the day is none. Doing it again is harmless.
    pub async fn handle(&self, asked: Asked) -> Result<Done, Error> {
        let now = SystemClock.now();
        let done = match day_of(&asked, now) {
            Ok(day) => match asked.job {
                Job::Daily => self.daily(day, now).await,
                Job::Weekly => self.weekly(day, now).await,
            },
            Err(why) => Err(why.into()),
        };
        telemetry::count("reports_failed", usize::from(done.is_err()));
        telemetry::flush("reports", SystemClock.now());
        done
    }

    async fn daily(&self, day: Date, now: Timestamp) -> Result<Done, Error> {
        // Whatever is wrong with the figures, the report is made: it needs none of them.
        let checked = self.check_figures(day, now).await;
        let Some(playbook) = self.playbook().await? else { return checked.map(|_| Done::NoPlaybook) };
        let period = days_until(day, self.days);
        let read = reading::days(&self.archive, &playbook, period, REPORT_READ_BYTES_MAX).await?;
        let Read { tally, left_out } = &read;
        let report = StoredReport {
            version: STORED_REPORT_VERSION,
            made_at: now,
            period,
            playbook: playbook.version.clone(),
            left_out: LeftOut { moments: tally.moments_left_out(), ..*left_out },
            report: tally.report(),
            experiments: of_playbook(&playbook, &tally.exposures()).into_iter().map(Comparison::read).collect(),
            insights: tally.insights(),
        };
        self.reports.keep(&report, &day.to_string()).await?;
        telemetry::count("reports_kept", 1);
        noted(&report.left_out);
        Ok(Done::Kept { day: day.to_string(), rows: report.report.rows, mended: checked? })
    }

    /// Counts the day's rows again, mends figures that differ, and adds them up. Gives how many hours had to be mended.
    async fn check_figures(&self, day: Date, now: Timestamp) -> Result<usize, Error> {
        let start = start_of(day);
        let is_over = now >= start.plus(Span::from_hours(24)).plus(FIGURES_DAY_SETTLES);
        let is_kept = now < start.plus(FIGURES_HOURS_RETENTION);
        if !(is_over && is_kept) {
            // A person has asked for a day that is not over, whose figures are checked when it is, or for an old one.
            return Ok(0);
        }
        let check = roll_up_and_check(&self.figures, &self.archive, &SystemClock, start).await?;
        for hour in &check.differing {
            tracing::warn!(hour = %hour, "the figures were not those of the rows, and are mended");
        }
        telemetry::count("figures_hours_checked", check.hours);
        telemetry::count("figures_hours_differing", check.differing.len());
        telemetry::count("figures_objects_missed", check.missed);
        telemetry::count("figures_hours_mended", check.mended);
        telemetry::count("figures_hours_with_erased", check.with_erased);
        telemetry::count("figures_hours_full", check.full);
        Ok(check.mended)
    }

    async fn weekly(&self, day: Date, now: Timestamp) -> Result<Done, Error> {
        let Some(owner) = &self.owner else { return Ok(Done::NoOwner) };
        let Some(playbook) = self.playbook().await? else { return Ok(Done::NoPlaybook) };
        let iso = day.iso_week_date();
        let week = format!("{:04}-W{:02}", iso.year(), iso.week());
        // Asked first: nobody reads two weeks of rows for a letter that is sent.
        let sending = match self.reports.begin_letter(&week, now).await? {
            false => Sending::Before,
            true => {
                let letter = self.letter(&playbook, day).await;
                let sent = match letter {
                    Ok(letter) => self.sender.send(&playbook, owner, &letter).await,
                    Err(error) => Err(error),
                };
                // What has certainly not left is tried again by the next call.
                self.reports.end_letter(&week, sent.is_ok(), now).await?;
                sent?;
                Sending::Now
            }
        };
        telemetry::count("weekly_letters_sent", usize::from(sending == Sending::Now));
        Ok(Done::Week { week, sending })
    }

    async fn letter(&self, playbook: &Playbook, day: Date) -> Result<Letter, Error> {
        let period = days_until(day, WEEK_DAYS);
        let length = period.until.since(period.from);
        let before = Period { from: period.from.minus(length), until: period.from, ..period };
        let mut weeks = Vec::new();
        for period in [period, before] {
            let Read { tally, left_out } =
                reading::days(&self.archive, playbook, period, REPORT_READ_BYTES_MAX / 2).await?;
            let left_out = LeftOut { moments: tally.moments_left_out(), ..left_out };
            noted(&left_out);
            weeks.push(Week {
                period,
                left_out,
                report: tally.report(),
                insights: tally.insights(),
                experiments: of_playbook(playbook, &tally.exposures()).into_iter().map(Comparison::read).collect(),
            });
        }
        let [this, before] = &weeks[..] else { return Err("there are two weeks".into()) };
        let shop = playbook.consent.as_ref().and_then(|consent| consent.shop.as_deref());
        Ok(Letter::of(&Compared::of(this, before), shop, &self.console)?)
    }

    /// The playbook in force; `None` while nobody has published one.
    async fn playbook(&self) -> Result<Option<Arc<Playbook>>, Fault> {
        match self.playbooks.pointer().await? {
            Some(in_force) => self.playbooks.version(&in_force.version).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Says what had no room.
fn noted(left_out: &LeftOut) {
    telemetry::count("report_objects_left_out", usize::try_from(left_out.objects).unwrap_or(usize::MAX));
    telemetry::count("report_rows_unreadable", usize::try_from(left_out.rows).unwrap_or(usize::MAX));
    if left_out.objects > 0 || left_out.moments > 0 {
        tracing::warn!(
            objects = left_out.objects,
            moments = left_out.moments,
            "there were more rows than one report has room for; choose fewer days (ReportDays)"
        );
    }
}

/// The day that is asked for: not before anything was recorded, and not to come.
fn day_of(asked: &Asked, now: Timestamp) -> Result<Date, String> {
    let today = jiff::Timestamp::from_millisecond(now.as_millis())
        .map_err(|error| error.to_string())?
        .to_zoned(TimeZone::UTC)
        .date();
    let day = match &asked.day {
        Some(text) => text.parse::<Date>().map_err(|_| format!("{text:?} is no day: write one like {today}"))?,
        None => today.yesterday().map_err(|error| error.to_string())?,
    };
    match (jiff::civil::date(1970, 1, 15)..=today).contains(&day) {
        true => Ok(day),
        false => Err(format!("{day} is not over, and has not begun: the newest day is {today}")),
    }
}

/// The beginning of a day, UTC.
fn start_of(day: Date) -> Timestamp {
    let midnight = day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp().as_millisecond());
    Timestamp::from_millis(midnight.unwrap_or_default()) // every day from 1970 to today has one
}

/// So many days that end with this one.
fn days_until(day: Date, days: u32) -> Period {
    let until = start_of(day).plus(Span::from_hours(24));
    Period { from: until.minus(Span::from_hours(24 * i64::from(days))), until, days }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_yesterday_or_what_is_asked_for() {
        let now = Timestamp::parse("2026-11-22T02:30:00Z").unwrap();
        let of = |day: Option<&str>| {
            day_of(&Asked { job: Job::Daily, day: day.map(str::to_owned) }, now).map(|day| day.to_string())
        };
        assert_eq!(of(None).as_deref(), Ok("2026-11-21"));
        assert_eq!(of(Some("2026-11-22")).as_deref(), Ok("2026-11-22"));
        assert!(of(Some("2026-11-23")).unwrap_err().contains("2026-11-22"));
        assert!(of(Some("yesterday")).unwrap_err().contains("write one like"));
        assert!(of(Some("1969-01-01")).is_err());
    }

    #[test]
    fn days_are_whole_and_end_with_the_one_that_is_asked_for() {
        let period = days_until(jiff::civil::date(2026, 11, 21), 7);
        let day = |time: Timestamp| time.to_string()[..10].to_owned();
        assert_eq!((day(period.from), day(period.until)), ("2026-11-15".into(), "2026-11-22".into()));
    }

    #[test]
    fn what_schedules_ask_for_reads() {
        for (event, job) in
            [(include_str!("../events/daily.json"), Job::Daily), (include_str!("../events/weekly.json"), Job::Weekly)]
        {
            assert_eq!(serde_json::from_str::<Asked>(event).unwrap(), Asked { job, day: None });
        }
    }
}
