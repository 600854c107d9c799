//! What pages load: scripts, the style, the icon. At addresses with a hash of the content, so that browsers keep them for
//! good and never show an old one.

use std::sync::LazyLock;

use flate2::Compression;
use sha2::{Digest, Sha256};

use crate::answer::{Answer, gzip};

/// A file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    compressed: Vec<u8>,
    /// Where it is.
    pub address: String,
}

/// What a page names.
#[derive(Debug)]
pub struct Assets {
    /// The style of charts, then ours.
    pub chart_style: Asset,
    /// Ours.
    pub style: Asset,
    /// htmx.
    pub htmx: Asset,
    /// uPlot.
    pub charts: Asset,
    /// Ours.
    pub script: Asset,
    /// The icon.
    pub icon: Asset,
}

/// All of them, made when the first page is.
pub static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    const STYLE: &str = "text/css; charset=utf-8";
    Assets {
        chart_style: Asset::new("uplot.css", STYLE, include_bytes!("../assets/uplot.min.css")),
        style: Asset::new("console.css", STYLE, include_bytes!("../assets/console.css")),
        htmx: Asset::new("htmx.js", SCRIPT, include_bytes!("../assets/htmx.min.js")),
        charts: Asset::new("uplot.js", SCRIPT, include_bytes!("../assets/uplot.min.js")),
        script: Asset::new("console.js", SCRIPT, include_bytes!("../assets/console.js")),
        icon: Asset::new("icon.svg", "image/svg+xml", include_bytes!("../assets/icon.svg")),
    }
});

impl Asset {
    fn new(name: &'static str, content_type: &'static str, content: &'static [u8]) -> Self {
        let hash: String = Sha256::digest(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let address = format!("/assets/{hash}/{name}");
        Self { name, content_type, content, compressed: gzip(content, Compression::best()), address }
    }

    fn answer(&self, takes_gzip: bool) -> Answer {
        match takes_gzip {
            true => Answer::asset(self.content_type, self.compressed.clone(), true),
            false => Answer::asset(self.content_type, self.content.to_vec(), false),
        }
    }
}

impl Assets {
    /// All of them.
    pub fn all(&self) -> [&Asset; 6] {
        [&self.chart_style, &self.style, &self.htmx, &self.charts, &self.script, &self.icon]
    }

    /// The asset at this address, when there is one.
    pub fn at(&self, hash: &str, name: &str, takes_gzip: bool) -> Option<Answer> {
        let wanted = self.all().into_iter().find(|asset| asset.name == name)?;
        (wanted.address.split('/').nth(2) == Some(hash)).then(|| wanted.answer(takes_gzip))
    }

    /// Bytes that a browser loads for its first page beside the page itself.
    pub fn compressed_bytes(&self) -> usize {
        self.all().iter().map(|asset| asset.compressed.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_at_the_address_of_its_content_alone() {
        for asset in ASSETS.all() {
            let parts: Vec<&str> = asset.address.split('/').collect();
            let ["", "assets", hash, name] = parts[..] else { panic!("{}", asset.address) };
            assert!(ASSETS.at(hash, name, true).is_some() && ASSETS.at(hash, name, false).is_some());
            assert!(ASSETS.at("0000000000000000", name, true).is_none());
            assert!(ASSETS.at(hash, "../Cargo.toml", true).is_none());
        }
    }

    #[test]
    fn the_assets_leave_room_for_a_page() {
        let bytes = ASSETS.compressed_bytes();
        assert!(bytes < 75 * 1024, "{bytes}");
    }
}
