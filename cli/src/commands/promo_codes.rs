//! `kairos promo-codes`: brings in a shop's own codes, says how many are left, and what became of one.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use kairos_cloud::clock::SystemClock;
use kairos_cloud::promo_codes::PromoCodesTable;
use kairos_engine::playbook::Promotion;
use kairos_engine::time::Timestamp;
use kairos_protocol::port::Clock;
use kairos_protocol::promo_codes::{CodeKey, PromoCode, PromoCodes};

use super::Done;
use crate::pool_file::{Imported, PoolFile};
use crate::target::{Target, TargetArguments};
use crate::terminal::{COLUMNS, Progress, Style, line, thousands, wrapped};

/// Refused rows that are shown.
const REFUSED_SHOWN_MAX: usize = 30;

/// What to do with promo codes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show the promotions of the playbook in force, with how many codes their pools have left (as without a word)
    List,
    /// Say how many codes of a pool are free
    Count {
        /// The pool's name, as promotions name it
        pool: String,
    },
    /// Bring codes of the shop's own system into a pool; doing it again changes nothing
    Import {
        /// The pool's name, as promotions name it
        pool: String,
        /// One code a line, or CSV whose first line names a column `code`
        file: PathBuf,
        /// Although no promotion of the playbook in force takes codes of this pool yet
        #[arg(long)]
        unpublished: bool,
    },
    /// Show what is known of a code: for which message it was given, until when it is good, what it was used for
    Show {
        /// The code, however it is written
        code: String,
    },
}

/// Does what was asked for.
///
/// # Errors
/// When the installation cannot be found, read or written to. Refused rows, or an unknown code, are exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    if let Some(What::Count { pool } | What::Import { pool, .. }) = &arguments.what {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=64).contains(&pool.len()) || !pool.bytes().all(plain) {
            return Err(
                format!("`{pool}` cannot be a pool's name: write 1 to 64 lower-case letters, digits or `_`").into()
            );
        }
    }
    match &arguments.what {
        None | Some(What::List) => list(&Target::find(&arguments.target).await?).await,
        Some(What::Count { pool }) => {
            let target = Target::find(&arguments.target).await?;
            line(target.promo_codes().await?.count_free(pool).await?);
            Ok(ExitCode::SUCCESS)
        }
        Some(What::Import { pool, file, unpublished }) => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let read = PoolFile::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
            let target = Target::find(&arguments.target).await?;
            if !unpublished {
                known(&target, pool).await?;
            }
            import(&target, pool, &read).await
        }
        Some(What::Show { code }) => {
            let key = CodeKey::parse(code).map_err(|error| error.to_string())?;
            show(&Target::find(&arguments.target).await?.promo_codes().await?, &key).await
        }
    }
}

async fn list(target: &Target) -> Done {
    let program = target.playbooks(None).await?.current().await?;
    let codes = target.promo_codes().await?;
    let promotions = &program.playbook().promotions;
    if promotions.is_empty() {
        line("The playbook in force has no promotions: write some into promotions.yaml and publish it.");
    }
    let width = promotions.keys().map(String::len).max().unwrap_or_default();
    for (name, promotion) in promotions {
        let free = match &promotion.pool {
            Some(pool) => Some((pool, codes.count_free(pool).await?)),
            None => None,
        };
        line(format!("{name:width$}  {}", described(promotion)));
        if let Some(at_most) = promotion.at_most {
            let given = thousands(codes.count_given(name).await?);
            line(Style::stdout().dim(format!("{:width$}  {given} of {} codes given", "", thousands(at_most))));
        }
        if let Some((pool, free)) = free {
            let style = Style::stdout();
            let text = format!("{:width$}  pool {pool}: {} free", "", thousands(free));
            line(if free == 0 { style.bad(text) } else { style.dim(text) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A promotion in a line.
pub fn described(promotion: &Promotion) -> String {
    let mut text = format!("{}: {}", promotion.title, promotion.discount);
    if let Some(most) = &promotion.maximum_discount {
        text.push_str(&format!(" (at most {most})"));
    }
    if let Some(minimum) = &promotion.minimum_total {
        text.push_str(&format!(" from {minimum}"));
    }
    text.push_str(&format!(", for {}", promotion.expires_after));
    if !promotion.only_for.is_anyone() {
        text.push_str(", for the user only");
    }
    text
}

async fn import(target: &Target, pool: &str, file: &PoolFile) -> Done {
    let codes = target.promo_codes().await?;
    let progress = Progress::counted(file.codes.len(), "codes");
    let imported = file.bring_into(&codes, pool, SystemClock.now(), &progress).await;
    drop(progress);
    let imported =
        imported.map_err(|error| format!("{error}. Run the same command again: no code is brought in twice"))?;
    report(&imported, pool);
    Ok(if imported.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Sees to it that a promotion of the playbook in force takes codes of a pool: codes cannot be moved to another one.
async fn known(target: &Target, pool: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let program = target.playbooks(None).await?.current().await?;
    let pools: BTreeSet<&str> =
        program.playbook().promotions.values().filter_map(|promotion| promotion.pool.as_deref()).collect();
    if pools.contains(pool) {
        return Ok(());
    }
    let there_are = if pools.is_empty() { "none".to_owned() } else { pools.into_iter().collect::<Vec<_>>().join(", ") };
    Err(format!(
        "no promotion of the playbook in force takes codes of the pool {pool} (pools: {there_are}). Codes stay in the \
         pool they were brought into: check its name, or say --unpublished if its promotion is published later"
    )
    .into())
}

fn report(imported: &Imported, pool: &str) {
    let style = Style::stdout();
    let added = thousands(imported.added);
    line(style.good(format!("{added} codes added to {pool}, {} were there already", thousands(imported.known))));
    if !imported.refused.is_empty() {
        line(style.bad(format!("{} refused", thousands(imported.refused.len() as u64))));
    }
    for (number, why) in imported.refused.iter().take(REFUSED_SHOWN_MAX) {
        line(format!("  {}", style.bold(format!("line {number}"))));
        wrapped(why, COLUMNS - 4).iter().for_each(|text| line(format!("    {text}")));
    }
    if imported.refused.len() > REFUSED_SHOWN_MAX {
        line(format!("  … and {} more", imported.refused.len() - REFUSED_SHOWN_MAX));
    }
}

async fn show(codes: &PromoCodesTable, key: &CodeKey) -> Done {
    let Some(code) = codes.load(key).await? else {
        line(format!("There is no code {key}, or it was over more than half a year ago."));
        return Ok(ExitCode::FAILURE);
    };
    describe(&code, SystemClock.now()).into_iter().for_each(line);
    Ok(ExitCode::SUCCESS)
}

fn describe(code: &PromoCode, now: Timestamp) -> Vec<String> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    fields.extend(code.pool.as_ref().map(|pool| ("pool", pool.clone())));
    match &code.given {
        None => fields.push(("status", "free: given to nobody yet".to_owned())),
        Some(given) => {
            let minimum = given.minimum_total.map(|minimum| format!(" from {minimum}")).unwrap_or_default();
            let only = if given.only_for.is_anyone() { "" } else { ", for the user only" };
            fields.push(("promotion", format!("{}: {}{minimum}{only}", given.promotion, given.discount)));
            fields.push(("given", format!("{} in message {} of play {}", given.at, given.message, given.play)));
            fields.push(("user", given.user.to_string()));
            fields.push(("delivery", given.delivery.to_string()));
            let is_over = code.redeemed.is_none() && given.expires_at <= now;
            fields.push((if is_over { "expired" } else { "good until" }, given.expires_at.to_string()));
        }
    }
    if let Some(redeemed) = &code.redeemed {
        let place = redeemed.store.as_ref().map(|store| format!(" ({store})")).unwrap_or_default();
        fields.push(("redeemed", format!("{}, {}{place}", redeemed.at, redeemed.channel.as_str())));
        fields.push(("order", redeemed.order.clone()));
        let currency = redeemed.currency.map(|currency| format!(" {}", currency.as_str())).unwrap_or_default();
        fields.extend(redeemed.total.map(|total| ("total", format!("{total}{currency}"))));
        fields.extend(redeemed.discount.map(|discount| ("saved", format!("{discount}{currency}"))));
        if !redeemed.told {
            let text = "not known to have reached the user's mailbox: the same request again sees to it";
            fields.push(("told", text.to_owned()));
        }
    }
    let mut lines = vec![Style::stdout().bold(&code.code)];
    lines.extend(fields.into_iter().map(|(name, value)| format!("  {name:10} {value}")));
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_code_is_shown_with_what_became_of_it() {
        let now = Timestamp::from_millis(1_763_900_000_000);
        let shown = |golden: &str| describe(&PromoCode::from_json(golden).unwrap(), now).join("\n");
        let free = shown(include_str!("../../../shared/protocol/tests/golden/promo_code_v1_free.json"));
        assert!(free.contains("  status     free"), "{free}");
        let given = shown(include_str!("../../../shared/protocol/tests/golden/promo_code_v1_given.json"));
        assert!(given.contains("  expired    2025-11-22T12:00:00.000Z"), "{given}");
        let redeemed = shown(include_str!("../../../shared/protocol/tests/golden/promo_code_v1_redeemed.json"));
        for expected in [
            "  promotion  spring: 10 % from 50.00 EUR, for the user only",
            "  given      2025-11-21T12:00:00.000Z in message present of play win_back",
            "  good until 2025-11-22T12:00:00.000Z",
            "  redeemed   2025-11-21T12:00:00.000Z, store (old_town)",
            "  order      order-1",
            "  saved      6.00 EUR",
        ] {
            assert!(redeemed.contains(expected), "{redeemed}\nlacks {expected}");
        }
    }
}
