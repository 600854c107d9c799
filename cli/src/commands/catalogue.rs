//! `kairos catalogue`: brings in a shop's products, and shows what is known of one.

use std::path::PathBuf;
use std::process::ExitCode;

use aws_sdk_secretsmanager::Client as Secrets;
use kairos_cloud::faults::fault;
use kairos_engine::mailbox::CatalogueChange;
use kairos_protocol::catalogue::{Entry, Stock};

use super::Done;
use crate::feed::{FeedFile, FeedReport, send};
use crate::target::{Target, TargetArguments};
use crate::terminal::{COLUMNS, Progress, Style, line, thousands, wrapped};

/// Refused rows that are shown.
const REFUSED_SHOWN_MAX: usize = 30;

/// What to do with the catalogue.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Bring in products; users who care hear of prices and stock that changed
    Import {
        /// A JSON list, JSON lines, or CSV with a header: id, name, price, currency, image_url, url, category, stock
        /// (or stock.PLACE). What a row does not tell stays as it was
        file: PathBuf,
        /// Address of the catalogue (output CatalogueUrl of the stack); that of the local engine when absent
        #[arg(long)]
        url: Option<String>,
        /// Key of the catalogue; read from the stack's secret when absent
        #[arg(long, env = "KAIROS_CATALOGUE_KEY", hide_env_values = true)]
        key: Option<String>,
    },
    /// Show what is known of a product
    Show {
        /// The product's id
        id: String,
    },
}

/// Does what was asked for.
///
/// # Errors
/// When the installation cannot be found, read or written to. Refused rows, or an unknown product, are exit code 1.
pub async fn run(arguments: &Arguments) -> Done {
    match &arguments.what {
        What::Import { file, url, key } => {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let feed = FeedFile::read(&text).map_err(|error| format!("{}: {error}", file.display()))?;
            let (url, key) = match (url, key) {
                (Some(url), Some(key)) => (url.clone(), key.clone()),
                (url, key) => {
                    let target = Target::find(&arguments.target).await?;
                    let url = match url.clone().or_else(|| target.local.as_ref()?.function_url("CatalogueUrl")) {
                        Some(url) => url,
                        None => return Err("for a stack in AWS, name its output CatalogueUrl with --url".into()),
                    };
                    (
                        url,
                        match key {
                            Some(key) => key.clone(),
                            None => stored_key(&target).await?,
                        },
                    )
                }
            };
            let progress = Progress::counted(feed.rows(), "products");
            let sent = send(&feed, &url, &key, &progress).await?;
            drop(progress);
            report(&sent);
            Ok(if sent.count("refused") == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        What::Show { id } => show(&Target::find(&arguments.target).await?, id).await,
    }
}

async fn stored_key(target: &Target) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let answer = Secrets::new(&target.config).get_secret_value().secret_id(target.catalogue_key()).send().await;
    let answer = answer.map_err(|error| fault("SecretsManager GetSecretValue", &error))?;
    Ok(answer.secret_string().ok_or("the secret of the catalogue's key is empty: store one")?.to_owned())
}

fn report(sent: &FeedReport) {
    let style = Style::stdout();
    let counted = |outcome| thousands(sent.count(outcome) as u64);
    let taken =
        format!("{} created, {} updated, {} unchanged", counted("created"), counted("updated"), counted("unchanged"));
    line(style.good(taken));
    let refused: Vec<_> = sent.rows.iter().filter(|(_, row)| row.outcome == "refused").collect();
    if !refused.is_empty() {
        line(style.bad(format!("{} refused", thousands(refused.len() as u64))));
    }
    for (number, row) in refused.iter().take(REFUSED_SHOWN_MAX) {
        let product = row.product.as_ref().map(|product| format!(" ({product})")).unwrap_or_default();
        line(format!("  {}{product}", style.bold(format!("row {number}"))));
        let message = row.message.as_deref().unwrap_or_default();
        wrapped(message, COLUMNS - 4).iter().for_each(|text| line(format!("    {text}")));
    }
    if refused.len() > REFUSED_SHOWN_MAX {
        line(format!("  … and {} more", refused.len() - REFUSED_SHOWN_MAX));
    }
    if !sent.ignored_fields.is_empty() {
        line(style.attention(format!("passed over, since it means nothing here: {}", sent.ignored_fields.join(", "))));
    }
    if sent.users_told > 0 {
        line(format!("{} users who care are told of what changed", thousands(sent.users_told as u64)));
    }
    if sent.products_to_tell > 0 {
        let left = thousands(sent.products_to_tell as u64);
        line(format!("changes of {left} products are still to be told; that goes on every five minutes"));
    }
}

async fn show(target: &Target, id: &str) -> Done {
    let Some(entry) = target.catalogue().await?.get(id).await? else {
        line(format!("The catalogue has no product {id}: bring it in with `kairos catalogue import FILE`."));
        return Ok(ExitCode::FAILURE);
    };
    let interested = target.interests().await?.count_interested(id).await?;
    describe(&entry, interested).into_iter().for_each(line);
    Ok(ExitCode::SUCCESS)
}

fn describe(entry: &Entry, interested: usize) -> Vec<String> {
    let product = &entry.listing.product;
    let currency = product.currency.as_ref().map(|currency| format!(" {}", currency.as_str())).unwrap_or_default();
    let price = product.price.map(|price| format!("{price}{currency}"));
    let stock = entry.listing.stock.as_ref().map(|stock| match stock {
        Stock::Total(total) => thousands(*total),
        Stock::Places(places) => {
            let places: Vec<_> = places.iter().map(|(place, there)| format!("{place} {}", thousands(*there))).collect();
            format!("{} in all: {}", thousands(stock.total()), places.join(", "))
        }
    });
    let mut fields = vec![
        ("name", product.name.clone().map(String::from)),
        ("price", price),
        ("category", product.category.clone().map(String::from)),
        ("stock", stock),
        ("page", product.url.clone()),
        ("picture", product.image_url.clone()),
        ("changed", Some(format!("{} (revision {})", entry.changed_at, entry.revision))),
        ("interest", Some(format!("{} users", thousands(interested as u64)))),
    ];
    for announcement in &entry.announcements {
        let changes = announcement.changes.iter().map(|change| match change {
            CatalogueChange::Price { from, to } => format!("price {from} → {to}{currency}"),
            CatalogueChange::Stock { from, to } => format!("stock {from} → {to}"),
        });
        fields.push(("to tell", Some(format!("{} ({})", changes.collect::<Vec<_>>().join(", "), announcement.at))));
    }
    let mut lines = vec![Style::stdout().bold(&product.id)];
    lines.extend(fields.into_iter().filter_map(|(name, value)| Some(format!("  {name:9} {}", value?))));
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_product_is_shown_with_what_users_have_still_to_be_told() {
        let golden = include_str!("../../../shared/protocol/tests/golden/catalogue_entry_v1.json");
        let lines = describe(&Entry::from_json(golden).unwrap(), 12).join("\n");
        for expected in [
            "  price     15.00 EUR",
            "  stock     4 in all: old_town 4",
            "  interest  12 users",
            "  to tell   price 20.00 → 15.00 EUR, stock 0 → 4 (2025-11-21T12:00:00.000Z)",
        ] {
            assert!(lines.contains(expected), "{lines}\nlacks {expected}");
        }
    }
}
