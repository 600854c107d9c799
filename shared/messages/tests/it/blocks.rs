//! Content blocks: what they see, how they are escaped, and what is said when they are wrong.

use std::collections::BTreeMap;

use kairos_engine::bounds::{BLOCK_DEPTH_MAX, TEMPLATE_SOURCE_BYTES_MAX};
use kairos_messages::{Block, Blocks, Setting, TemplateKind, check_template, names_in};

use super::{data, html, looking, text};

fn blocks(blocks: &[(&str, &str, &str)]) -> Blocks {
    let mut by_name: BTreeMap<String, BTreeMap<String, Block>> = BTreeMap::new();
    for (name, language, source) in blocks {
        let block = Block { file: format!("{name}.{language}"), source: (*source).to_owned() };
        by_name.entry((*name).to_owned()).or_default().insert((*language).to_owned(), block);
    }
    Blocks::new(by_name)
}

fn shop() -> Blocks {
    blocks(&[
        ("card", "", "<a href=\"{{ product.url }}\">{{ product.name }}</a> {{ product.price | money }}{{ label }}"),
        ("line", "", "{% assign n = product.name | upcase %}{{ n }}{{ note | prepend: ' ' }};"),
        ("list", "", "{% for product in viewed %}{% render 'line', product: product %}{% endfor %}{{ product.name }}"),
        ("outer", "", "{% render 'inner' %}|{{ product.name }}"),
        ("inner", "", "{{ product.name }}"),
        ("hello", "en", "Hi"),
        ("hello", "de", "Hallo"),
    ])
}

fn whole(source: &str) -> String {
    shop().whole(source, "en").unwrap().source
}

#[test]
fn a_block_sees_its_parameters_and_what_every_template_sees_and_keeps_its_names() {
    for (template, expected) in [
        ("{% render 'line', product: cart.items.first, note: 'x' %}", "BLUE MUG x;"),
        ("{% for item in viewed %}{% render 'line', product: item, note: '' %}{% endfor %}", "LAMP ;BLUE MUG ;"),
        // What it assigns ends with it.
        ("{% assign n = 'mine' %}{% render 'line', product: viewed.last, note: n %} {{ n }}", "BLUE MUG mine; mine"),
        // The parameter of the block around is no parameter of the one within.
        ("{% render 'outer', product: viewed.last %}", "Lamp|Blue Mug"),
        ("a {%- render 'hello' -%} b", "aHib"),
        ("{% render \"hello\" %}{% raw %}{% render 'x' %}{% endraw %}", "Hi{% render 'x' %}"),
    ] {
        assert_eq!(text(&whole(template), &looking()).as_deref(), Ok(expected), "{template}");
    }
    assert_eq!(shop().whole("{% render 'hello' %}", "de-at").unwrap().names, ["hello"]);
}

#[test]
fn a_block_is_escaped_for_what_it_stands_in() {
    let mut data = data();
    data.cart.items[0].name = Some("<b>Mug</b>".into());
    let card = whole("<p>{% render 'card', product: cart.items.first, label: '<' %}</p>");
    assert_eq!(
        html(&card, &data).as_deref(),
        Ok("<p><a href=\"https://shop.example/mug?a=1&amp;b=2\">&lt;b&gt;Mug&lt;/b&gt;</a> 35.79 EUR&lt;</p>")
    );
    let title = whole("<img alt=\"{% render 'inner', product: cart.items.first %}\">");
    assert_eq!(html(&title, &data).as_deref(), Ok("<img alt=\"&lt;b&gt;Mug&lt;/b&gt;\">"));
    assert_eq!(text(&whole("{% render 'inner', product: cart.items.first %}"), &data).as_deref(), Ok("<b>Mug</b>"));
}

#[test]
fn what_a_template_names_is_what_its_blocks_name_without_their_parameters() {
    let names = |source: &str| names_in(&whole(source)).into_iter().collect::<Vec<_>>();
    assert_eq!(
        names("{% render 'card', product: cart.items.first, label: event.label %}"),
        ["cart.items", "event.label"]
    );
    assert_eq!(names("{% render 'inner' %}"), ["product.name"]);
    assert_eq!(names("{% render 'outer', product: viewed.first %}"), ["product.name", "viewed.first"]);
}

#[test]
fn inclusions_that_cannot_be_are_told_with_their_place() {
    let chain = |depth: usize| {
        let names: Vec<String> = (0..=depth).map(|level| format!("b{level}")).collect();
        let sources: Vec<String> = names.iter().skip(1).map(|next| format!("{{% render '{next}' %}}")).collect();
        let sources = sources.iter().map(String::as_str).chain(["end"]);
        let blocks_of = names.iter().zip(sources).map(|(name, source)| (name.as_str(), "", source)).collect::<Vec<_>>();
        blocks(&blocks_of)
    };
    assert!(chain(BLOCK_DEPTH_MAX - 1).whole("{% render 'b0' %}", "en").is_ok());
    let long = "x".repeat(TEMPLATE_SOURCE_BYTES_MAX / 2);
    let circle = blocks(&[("a", "", "{% render 'b' %}"), ("b", "", "\n {% render 'a' %}")]);
    for (blocks, source, expected) in [
        (shop(), "\n{% render 'cart' %}", "line 2, column 11: there is no block `cart` (did you mean `card`?)"),
        (
            Blocks::default(),
            "{% render 'card' %}",
            "line 1, column 11: there is no block `card` (put a file `card.liquid` into messages/blocks/)",
        ),
        (
            blocks(&[("hello", "de", "Hallo")]),
            "{% render 'hello' %}",
            "line 1, column 11: the block `hello` is not there in `en` (write messages/blocks/hello.en.liquid, or hello.liquid for all languages)",
        ),
        (
            circle,
            "{% render 'a' %}",
            "b.: line 2, column 12: the block `a` includes itself, through `a`, `b` (take one of the inclusions out)",
        ),
        (
            chain(BLOCK_DEPTH_MAX),
            "{% render 'b0' %}",
            "b3.: line 1, column 11: these blocks include each other more than 4 deep (include the inner one directly)",
        ),
        (
            blocks(&[("long", "", &long)]),
            "{% render 'long' %}{% render 'long' %}",
            "line 1, column 23: with its blocks, this template is longer than 65536 bytes (include less, or shorten the blocks)",
        ),
        (
            shop(),
            "{% render 'hello' product: item %}",
            "line 1, column 19: this is not how a block gets its parameters (write `{% render 'NAME' %}`, or `{% render 'NAME', product: item %}`)",
        ),
        (
            shop(),
            "{% render card %}",
            "line 1, column 4: `render` needs the name of a block in quotes (write `{% render 'NAME' %}`, or `{% render 'NAME', product: item %}`)",
        ),
        (
            shop(),
            "{% scope %}{% endscope %}",
            "line 1, column 4: there is no tag `scope` (remove it; blocks are included with `render`)",
        ),
    ] {
        let misplaced = blocks.whole(source, "en").unwrap_err();
        let file = misplaced.block.map_or(String::new(), |block| format!("{}: ", block.file));
        assert_eq!(format!("{file}{}", misplaced.problem), expected, "{source}");
    }
}

#[test]
fn a_slip_in_a_block_is_told_where_it_stands() {
    let blocks = blocks(&[("card", "", "<p>\n  {{ item.name }}</p>"), ("cell", "", "<td title={{ product.name }}>")]);
    for (source, kind, expected) in [
        ("Hi\n{% render 'card' %}", TemplateKind::Html, ("card.", 2, 6)),
        ("{% render 'cell' %}\n", TemplateKind::Html, ("cell.", 1, 14)),
        ("{% render 'card', item: viewed.first %}\n {{ usr }}", TemplateKind::Text, ("", 2, 5)),
        ("{% render 'card', item: itm %}", TemplateKind::Text, ("", 1, 4)),
        ("{% break %}", TemplateKind::Text, ("", 1, 4)),
    ] {
        let whole = blocks.whole(source, "en").unwrap();
        let problem = check_template(&whole.source, kind, &Setting::default()).unwrap_err().remove(0);
        let (block, line, column) = whole.origin(source, problem.line, problem.column);
        let file = block.map_or(String::new(), |block| block.file);
        assert_eq!((file.as_str(), line, column), expected, "{source}: {problem}");
    }
    // A loop around a block is none of its own.
    let blocks = self::blocks(&[("stop", "", "{% break %}")]);
    let whole = blocks.whole("{% for item in viewed %}{% render 'stop' %}{% endfor %}", "en").unwrap();
    assert!(check_template(&whole.source, TemplateKind::Text, &Setting::default()).is_err());
}
