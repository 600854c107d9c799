use kairos_messages::{Setting, TemplateKind, check_template};

fn problems(source: &str, kind: TemplateKind) -> String {
    problems_in("en", source, kind)
}

fn problems_in(language: &str, source: &str, kind: TemplateKind) -> String {
    match check_template(source, kind, &Setting { language: language.into(), ..Setting::default() }) {
        Ok(()) => "fine".into(),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn every_slip_is_told_with_its_place_and_what_to_write_instead() {
    for (template, expected) in [
        ("Hi {{ user.firstname }}", "line 1, column 7: `user` has no `firstname` (did you mean `first_name`?)"),
        ("{{ first_name }}", "line 1, column 4: there is no variable `first_name` (did you mean `user.first_name`?)"),
        (
            "{{ customer.name }}",
            "line 1, column 4: there is no variable `customer` (there is `user`, `cart`, `product`, `viewed`, `related`, `event`, `store`, `promo_code`, `device`, `unsubscribe_url`, `preferences_url`, `confirm_url`)",
        ),
        ("\n  {{ crat.total }}", "line 2, column 6: there is no variable `crat` (did you mean `cart`?)"),
        ("{{ user.first_name.x }}", "line 1, column 4: `user.first_name` has no `x` (write `user.first_name`)"),
        ("{{ cart.items.name }}", "line 1, column 4: `cart.items` has no `name` (there is `first`, `last`, `size`)"),
        (
            "{{ cart }}",
            "line 1, column 4: this is not a text that can be shown (name a part of it, as in `cart.items.first.name`)",
        ),
        (
            "{{ user[0] }}",
            "line 1, column 4: `user` is not a list (only `cart.items`, `viewed` and `related` can be counted through)",
        ),
        (
            "{% for i in cart.items %}{% endfor %}{{ i.name }}",
            "line 1, column 41: there is no variable `i` (there is `user`, `cart`, `product`, `viewed`, `related`, `event`, `store`, `promo_code`, `device`, `unsubscribe_url`, `preferences_url`, `confirm_url`)",
        ),
        ("{{ user.id | upcas }}", "line 1, column 14: there is no filter `upcas` (did you mean `upcase`?)"),
        (
            "{{ user.id | escape }}",
            "line 1, column 14: there is no filter `escape` (leave it out: values in HTML are escaped already)",
        ),
        (
            "{{ user.id | money }}",
            "line 1, column 14: `money` needs a number or a price (use it on a number such as `item.price`, `cart.total` or `store.distance_m`)",
        ),
        (
            "{{ user.id | append }}",
            "line 1, column 14: `append` takes 1 arguments, not 0 (arguments follow a colon, as in `{{ item.name | truncate: 40 }}`)",
        ),
        ("{% fi user.id %}", "line 1, column 4: there is no tag `fi` (did you mean `if`?)"),
        (
            "{% capture x %}",
            "line 1, column 4: there is no tag `capture` (build texts with `assign` and the filter `append`)",
        ),
        ("{% if user.id %}x", "line 1, column 4: `{% if %}` is never closed (write `{% endif %}` where it ends)"),
        (
            "{% endfor %}",
            "line 1, column 4: `{% endfor %}` belongs to nothing that is open here (remove it, or open its block before)",
        ),
        (
            "{% if user.id = 'x' %}{% endif %}",
            "line 1, column 4: this is not how it is written (write it like `{% if value == value and value %}`)",
        ),
        (
            "{{ user.id",
            "line 1, column 1: `{{` is never closed (write `}}` where it ends; a quote inside must be closed too)",
        ),
        ("{{ 99999999999999999999 }}", "line 1, column 4: this number is too long (use at most 15 digits)"),
        ("{{ cart.items[99999999999999999999].id }}", "line 1, column 15: this number is too long"),
        ("{{ cart.items[-1].id }}{{ -99999999999999999999 }}", "line 1, column 28: this number is too long"),
        ("{{ cart.items[cart.items[cart.items[cart.items[0].id]]] }}", "line 1, column 47: these brackets are nested"),
        ("{{ user.id upcase }}", "line 1, column 12: there is no variable `upcase`"),
        (
            "{% if user.id == %}{% endif %}",
            "line 1, column 4: this is not how it is written (write it like `{% if value",
        ),
        ("a\n  {{ user.id | append 'x' }}", "line 2, column 6: this is not how it is written (write it like `{{ value"),
        ("{{ 'éééé' }}{{ ' }}", "line 1, column 13: `{{` is never closed"),
        ("{% output_html user.id %}{% text 0 %}", "line 1, column 4: there is no tag `output_html`"),
        ("{% for i in user.id %}{% endfor %}", "line 1, column 4: this loop does not go through a list"),
        ("{% if nil contains 'x' %}{% endif %}", "line 1, column 7: here, nothing is an empty text (write `blank`)"),
        (
            "{% if empty contains 'x' %}{% endif %}",
            "line 1, column 1: this cannot be rendered, even with little data (the template could not be rendered",
        ),
        ("{% for i in (1..999999999) %}{% endfor %}", "line 1, column 1: this cannot be rendered"),
        ("{% else x %}", "line 1, column 4: `{% else %}` belongs"),
        ("{% if true %}{% else 1 %}{% endif %}", "fine"),
        ("{% break %}", "line 1, column 4: `break` stands outside of a loop (remove it)"),
        (
            "{{ event }}",
            "line 1, column 4: an event is not a text that can be shown (name one of its properties, as in `event.query`)",
        ),
        ("{{ event.query }}{{ event['the query'] }}{% for tag in event.tags %}{{ tag }}{% endfor %}", "fine"),
        ("{{ product.prise | money }}", "line 1, column 4: `product` has no `prise` (did you mean `price`?)"),
        ("{{ product.was | money }}{{ viewed.first.category }}{{ device.type }}", "fine"),
        ("{{ store }}", "line 1, column 4: this is not a text that can be shown"),
        (
            "{{ store.title | distance }}",
            "line 1, column 18: `distance` needs a number or a price (use it on a number such as",
        ),
        ("{% assign store = 1 %}", "line 1, column 11: `store` cannot be changed (choose another name)"),
        ("{% assign cart = 1 %}", "line 1, column 11: `cart` cannot be changed (choose another name)"),
        (
            "{{ }}",
            "line 1, column 4: a value is missing here (name one, as in `user.first_name`, or write a text in quotes)",
        ),
        (
            "{{ user.x }}{{ user.y }}",
            "line 1, column 4: `user` has no `x` (there is `first_name`, `id`, `last_name`)\nline 1, column 16: `user` has no `y` (there is `first_name`, `id`, `last_name`)",
        ),
    ] {
        let found = problems(template, TemplateKind::Text);
        assert!(found.starts_with(expected), "{template}\n  found {found}\n  not   {expected}");
    }
}

#[test]
fn html_is_refused_where_data_could_become_markup() {
    for (template, expected) in [
        ("<p class={{ user.id }}>", "in a tag without quotes"),
        ("<p class=a{{ user.id }}>", "in a tag without quotes"),
        ("<p {{ user.id }}>", "in a tag without quotes"),
        ("<{{ user.id }}>", "in a tag without quotes"),
        ("<p onclick=\"{{ user.id }}\">", "in the attribute `onclick`"),
        ("<p style=\"color:{{ user.id }}\">", "in the attribute `style`"),
        ("<style>{{ user.id }}</style>", "in `<style>`"),
        ("<script>{{ user.id }}</script>", "`<script>` does not work in messages"),
        ("<!-- {{ user.id }} -->", "in an HTML comment"),
        ("<a href=\"java{{ user.id }}\">", "behind this start of a link"),
        ("<a href=\"", "the HTML ends inside of a tag"),
        ("{% if user.id %}<a href='{% endif %}x'>", "ends in another place of the HTML"),
        ("{% for i in cart.items %}<a href='{% endfor %}x'>", "ends in another place of the HTML"),
        ("<a href=\"https://shop.example/?u={{ user.id | url_encode }}\">x</a><!--> {{ user.id }}", "fine"),
        ("<a href=\"{{ cart.items[0].url }}?utm=1&u={{ user.id }}\">x</a>", "fine"),
        ("{% if user.id %}<a href='{{ user.id }}'>{% endif %}x{% if user.id %}</a>{% endif %}", "fine"),
        ("<td class='{% if user.id %}{{ user.id }}{% else %}x{% endif %}'>1 < 2 <title>3 < 4</title>", "fine"),
        ("<td {% if user.id %}class='x'{% endif %}>", "in a tag without quotes"),
        ("<title>{{ user.id }}</title>", "in `<title>`"),
        ("<title>a{% comment %}b{% endcomment %}</title>", "in `<title>`"),
        ("</ <a title=\"><b {{ user.id }}\">", "`</` stands without a name"),
        ("<!x a=\"><b {{ user.id }}\">", "in a tag without quotes"),
        ("<b x\"><i {{ user.id }}\">", "stands at an unexpected place of a tag"),
        ("<b x=a\"><i {{ user.id }}\">", "stands at an unexpected place of a tag"),
        ("<style>a</stylex><b {{ user.id }}>", "in `<style>`"),
        ("<a href=\"{% if user.id %}https://{% endif %}x{{ user.id }}\">", "behind this start of a link"),
        ("<a href=\"x{% if user.id %}\" title=\"{% endif %}\">", "ends in another place of the HTML"),
        ("<!doctype html><style>p > a { color: red }</style><br/>{{ user.id }}", "fine"),
    ] {
        let found = problems(template, TemplateKind::Html);
        assert!(found.contains(expected), "{template}\n  found {found}");
    }
}

#[test]
fn words_that_a_language_needs_are_missed_and_formats_that_it_cannot_write() {
    for (language, template, expected) in [
        ("en", "{{ cart.items.size | plural: one: 'item', other: 'items' }}", "fine"),
        ("en", "{{ viewed.size | plural: one: user.first_name, few: 'x', other: 'items' }}", "fine"),
        (
            "en",
            "{{ cart.items.size | plural: one: 'item' }}",
            "line 1, column 22: in `en`, `plural` also needs `other` (add `other: '…'`)",
        ),
        (
            "uk",
            "{{ cart.items.size | plural: one: 'товар', other: 'товари' }}",
            "line 1, column 22: in `uk`, `plural` also needs `few`, `many` (add `few: '…', many: '…'`)",
        ),
        ("ja", "{{ cart.items.size | plural: other: '点' }}", "fine"),
        // Millions only.
        ("es", "{{ cart.items.size | plural: one: 'artículo', other: 'artículos' }}", "fine"),
        (
            "en",
            "{{ cart.items.size | plural: one: 'a', ones: 'b', other: 'c' }}",
            "line 1, column 40: there is no plural category `ones` (did you mean `one`?)",
        ),
        (
            "en",
            "{{ cart.items.size | plural: 'item', 'items' }}",
            "line 1, column 22: this is not how the words of `plural` are given (write each category with its word, as in `plural: one: 'item', other: 'items'`)",
        ),
        (
            "en",
            "{{ cart.items.size | plural: one: 'a', one: 'b', other: 'c' }}",
            "line 1, column 40: `one` stands here twice (keep one of them)",
        ),
        (
            "en",
            "{{ user.first_name | plural: one: 'a', other: 'c' }}",
            "line 1, column 22: `plural` needs a number or a price (use it on a number such as `item.price`, `cart.total` or `store.distance_m`)",
        ),
        ("en", "{{ promo_code.expires_at | date }} {{ 'now' | date: '%d %b' }} {{ event.day | date: 'long' }}", "fine"),
        ("eu", "{{ promo_code.expires_at | date: 'short' }} {{ 'now' | date: '%d.%m. %H:%M' }}", "fine"),
        (
            "eu",
            "{{ promo_code.expires_at | date: 'weekday' }}",
            "line 1, column 34: the names of days and months in `eu` are not known (write `'short'`, `'time'`, or digits as `strftime` takes them, such as `'%d.%m.%Y'`)",
        ),
        (
            "en",
            "{{ promo_code.expires_at | date: 'full' }}",
            "line 1, column 34: `full` is no format of `date` (write `short`, `long`, `weekday`, `time`, or one as `strftime` takes it, such as `'%d.%m.'`)",
        ),
        (
            "en",
            "{{ 'now' | date: '%Q%' }}",
            "line 1, column 18: `%Q%` is no format of `date` (write `short`, `long`, `weekday`, `time`, or one as `strftime` takes it, such as `'%d.%m.'`)",
        ),
        (
            "en",
            "{{ user.first_name | date }}",
            "line 1, column 22: `date` needs a time (use it on a time such as `promo_code.expires_at`, or on `'now'`)",
        ),
    ] {
        assert_eq!(problems_in(language, template, TemplateKind::Text), expected, "{template}");
    }
}
