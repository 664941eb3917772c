//! Numbers with a meaning: types of messages and stages of receipts. Those that this build does not know are kept.

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageType {
    /// Asks for a response.
    Request,
    /// Answers a request.
    Response,
    /// One of a stream.
    Stream,
    /// Says how far something is. Sent empty, it only proves that a session works.
    Status,
    /// Says that something failed.
    Error,
    /// Asks for nothing.
    Message,
    /// Carries receipts only, and is not receipted.
    Receipt,
    /// Closes the conversation.
    Close,
    /// Proposes capabilities.
    CapabilityNegotiation,
    /// Answers a proposal of capabilities.
    CapabilityNegotiationResponse,
    /// Opens a session: the first plaintext of its initiator.
    Knock,
    /// Accepts a KNOCK.
    Accept,
    /// Rejects a KNOCK.
    Reject,
    /// A type that this build does not know. Receipt it; do nothing else.
    Unknown(u64),
}

impl MessageType {
    /// Whether it is for the application: receipted, handed on, kept until it is handled. Types that this build does not
    /// know are, so that nothing a newer peer says is lost.
    pub const fn is_application(self) -> bool {
        !matches!(
            self,
            Self::Status | Self::Receipt | Self::Close | Self::Knock | Self::Accept | Self::Reject
        )
    }

    /// The number that stands for it.
    pub const fn code(self) -> u64 {
        match self {
            Self::Request => 1,
            Self::Response => 2,
            Self::Stream => 3,
            Self::Status => 4,
            Self::Error => 5,
            Self::Message => 6,
            Self::Receipt => 7,
            Self::Close => 8,
            Self::CapabilityNegotiation => 9,
            Self::CapabilityNegotiationResponse => 10,
            Self::Knock => 16,
            Self::Accept => 17,
            Self::Reject => 18,
            Self::Unknown(code) => code,
        }
    }

    /// What a number stands for.
    pub const fn from_code(code: u64) -> Self {
        match code {
            1 => Self::Request,
            2 => Self::Response,
            3 => Self::Stream,
            4 => Self::Status,
            5 => Self::Error,
            6 => Self::Message,
            7 => Self::Receipt,
            8 => Self::Close,
            9 => Self::CapabilityNegotiation,
            10 => Self::CapabilityNegotiationResponse,
            16 => Self::Knock,
            17 => Self::Accept,
            18 => Self::Reject,
            other => Self::Unknown(other),
        }
    }

    /// Whether it belongs to the opening of a session and so carries a signed body.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::Knock | Self::Accept | Self::Reject)
    }
}

/// How far a message came at its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The recipient has it on its disk.
    Delivered,
    /// The recipient's handler returned.
    Handled,
    /// The recipient's application says that it was read.
    Read,
    /// Refused: a payload in parts that is larger than the recipient takes.
    TooLarge,
    /// Refused: the parts of a payload contradict each other, or their whole is not what it should be.
    Damaged,
    /// Refused: parts of a payload were missing for too long.
    Abandoned,
    /// Refused: the recipient puts as many payloads together as it can at a time.
    Busy,
    /// Not a receipt but a question: who wrote this message asks how far it came.
    Asked,
    /// A stage that this build does not know.
    Unknown(u64),
}

impl Stage {
    /// Whether it says that the message will never be handed on.
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::TooLarge | Self::Damaged | Self::Abandoned | Self::Busy)
    }

    /// The number that stands for it.
    pub const fn code(self) -> u64 {
        match self {
            Self::Delivered => 1,
            Self::Handled => 2,
            Self::Read => 3,
            Self::TooLarge => 4,
            Self::Damaged => 5,
            Self::Abandoned => 6,
            Self::Busy => 7,
            Self::Asked => 8,
            Self::Unknown(code) => code,
        }
    }

    /// What a number stands for.
    pub const fn from_code(code: u64) -> Self {
        match code {
            1 => Self::Delivered,
            2 => Self::Handled,
            3 => Self::Read,
            4 => Self::TooLarge,
            5 => Self::Damaged,
            6 => Self::Abandoned,
            7 => Self::Busy,
            8 => Self::Asked,
            other => Self::Unknown(other),
        }
    }
}
