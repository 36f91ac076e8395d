//! The cookies of one user, as far as RFC 6265 matters to a user that talks to one host per service: name, value,
//! path, and deletion by `Max-Age`. Domains and `Expires` are not looked at.

use hyper::header::HeaderValue;

/// The cookies that a user has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cookies(Vec<Cookie>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

impl Cookies {
    /// Takes in a `Set-Cookie` header.
    pub(crate) fn set(&mut self, host: &str, header: &HeaderValue) {
        let Ok(text) = header.to_str() else { return };
        let mut parts = text.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let (mut path, mut is_deleted) = ("/", false);
        for part in parts {
            match part.split_once('=') {
                Some((key, given)) if key.eq_ignore_ascii_case("path") && given.starts_with('/') => path = given,
                Some((key, age)) if key.eq_ignore_ascii_case("max-age") => {
                    is_deleted = age.parse::<i64>().is_ok_and(|age| age <= 0);
                }
                _ => {}
            }
        }
        self.0.retain(|known| (known.host.as_str(), known.path.as_str(), known.name.as_str()) != (host, path, name));
        if !is_deleted {
            let (host, path) = (host.to_owned(), path.to_owned());
            self.0.push(Cookie { host, path, name: name.trim().to_owned(), value: value.trim().to_owned() });
        }
    }

    /// The `Cookie` header of a request to `path` on `host`; none without cookies.
    pub(crate) fn header(&self, host: &str, path: &str) -> Option<HeaderValue> {
        let fits = |cookie: &&Cookie| cookie.host == host && is_below(path, &cookie.path);
        let pairs: Vec<String> = self.0.iter().filter(fits).map(|c| format!("{}={}", c.name, c.value)).collect();
        // What came as a header is fit to be one.
        (!pairs.is_empty()).then(|| pairs.join("; ").parse().ok()).flatten()
    }
}

/// RFC 6265, section 5.1.4.
fn is_below(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: &[&'static str], path: &str, expected: Option<&str>) {
        let mut cookies = Cookies::default();
        for header in set {
            cookies.set("shop", &HeaderValue::from_static(header));
        }
        let sent = cookies.header("shop", path);
        assert_eq!(sent.as_ref().map(|header| header.to_str().unwrap()), expected, "{set:?} {path}");
        assert_eq!(cookies.header("elsewhere", path), None);
    }

    #[test]
    fn cookies_are_kept_replaced_and_deleted() {
        check(&["md.sid=s%3Aab; Path=/; HttpOnly"], "/", Some("md.sid=s%3Aab"));
        check(&["a=1", "b=2; Secure", "a=3"], "/x", Some("b=2; a=3"));
        check(&["a=1", "a=; Max-Age=0"], "/", None);
        check(&["a=1; path=/cart", "b=2"], "/", Some("b=2"));
        check(&["a=1; path=/cart"], "/cart/7", Some("a=1"));
        check(&["a=1; path=/cart"], "/carts", None);
        check(&["nonsense"], "/", None);
        check(&[], "/", None);
    }
}
