//! KNOCK: request, answers, policy, replay memory.
