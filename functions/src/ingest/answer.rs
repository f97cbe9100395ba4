//! What the sender of an event is told: 2xx when there is nothing left for it to do, 503 when it should try again, and
//! otherwise what a person has to mend.

/// How soon to try again. MinIO does so after three seconds whatever it is told.
const RETRY_AFTER_SECONDS: &str = "3";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a sender that only tried whether somebody is there.
    Present,
    /// The event is durable.
    Queued,
    /// The event changes nothing here.
    Ignored,
    Empty,
    Broken,
    Unauthorised,
    WrongMethod,
    TooSlow,
    TooLarge,
    Busy,
    QueueFailed,
}

impl Answer {
    pub fn status(self) -> u16 {
        match self {
            Self::Present | Self::Queued | Self::Ignored => 200,
            Self::Empty | Self::Broken => 400,
            Self::Unauthorised => 401,
            Self::WrongMethod => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::Busy | Self::QueueFailed => 503,
        }
    }

    /// One line for whoever reads the sender's log.
    pub fn text(self) -> &'static str {
        match self {
            Self::Present => "",
            Self::Queued => "the event is on the queue\n",
            Self::Ignored => {
                "the event changes nothing here: it is a test, a read, a folder, or about another bucket\n"
            }
            Self::Empty => "the body is empty; an event was expected\n",
            Self::Broken => "the body broke off\n",
            Self::Unauthorised => {
                "the token is missing or wrong; set the webhook's `auth_token` to the ingest token\n"
            }
            Self::WrongMethod => "events come by POST\n",
            Self::TooSlow => "the body did not arrive in time\n",
            Self::TooLarge => "the body is larger than 1 MiB; no event is\n",
            Self::Busy => "too many events at once; try again\n",
            Self::QueueFailed => "the event could not be made durable; try again\n",
        }
    }

    pub fn headers(self) -> Vec<(&'static str, &'static str)> {
        let mut headers = vec![("content-type", "text/plain; charset=utf-8")];
        match self {
            Self::Unauthorised => headers.push(("www-authenticate", "Bearer")),
            Self::WrongMethod => headers.push(("allow", "HEAD, POST")),
            Self::Busy | Self::QueueFailed => headers.push(("retry-after", RETRY_AFTER_SECONDS)),
            _ => {}
        }
        headers
    }
}
