//! Just enough of HTML to see that a page is well formed, and what is in it.

/// Elements that have no end.
const VOID: [&str; 6] = ["br", "input", "link", "meta", "line", "polyline"];

/// The elements of a page, each as its name and its attributes as they are written.
pub(crate) struct Page {
    pub(crate) elements: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Page {
    /// Fails the test where elements are not closed in order.
    pub(crate) fn parse(html: &str) -> Self {
        let mut page = Self { elements: Vec::new(), text: String::new() };
        let mut open: Vec<String> = Vec::new();
        let mut rest = html.trim_start().strip_prefix("<!doctype html>").expect("it begins as HTML");
        while let Some((text, after)) = rest.split_once('<') {
            page.text.push_str(text);
            let (tag, after) = after.split_once('>').expect("a tag ends");
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "`</{name}>` closes another element");
                continue;
            }
            let (name, attributes) = tag.trim_end_matches('/').split_once([' ', '\n']).unwrap_or((tag, ""));
            assert_eq!(attributes.matches('"').count() % 2, 0, "quotes of <{tag}>");
            page.elements.push((name.to_owned(), attributes.to_owned()));
            if !VOID.contains(&name) {
                open.push(name.to_owned());
            }
        }
        assert!(open.is_empty(), "{open:?} are not closed");
        page
    }

    /// Values of the attribute `data-value` of the elements whose `data-field` is `field`, in order.
    pub(crate) fn values(&self, field: &str) -> Vec<&str> {
        let of_field = self
            .elements
            .iter()
            .map(|(_, attributes)| attributes)
            .filter(|attributes| attributes.contains(&format!("data-field=\"{field}\"")));
        of_field
            .filter_map(|attributes| Some(attributes.split_once("data-value=\"")?.1.split_once('"')?.0))
            .collect()
    }

    /// Whether some element has this attribute with this value.
    pub(crate) fn has(&self, attribute: &str, value: &str) -> bool {
        self.elements.iter().any(|(_, attributes)| attributes.contains(&format!("{attribute}=\"{value}\"")))
    }
}
