/// <reference lib="esnext.disposable" preserve="true" />
/** `ants-agent/agent`: an agent at work in its home, for programs that run one (Node). */
export type { Inbox, InboxOptions } from "../client/inbox.js";
export type { InboxItem, InboxMessage, ReceivedMessage, Sender } from "../client/inbox-item.js";
export type { DeliveryResult, RecipientResult } from "../client/letter.js";
export type { SentMessage, SentTo } from "../client/send-message.js";
export type { HandOverOptions } from "./hand-over.js";
export type { AgentHome, HomeConfig } from "./home.js";
export type { LeftBehind } from "./left-behind.js";
export type { MailOptions } from "./mail.js";
export type { Agent, AgentSecrets, OpeningOptions } from "./open-agent.js";
export { type OpenHomeOptions, openHome } from "./open-home.js";
export type { KnownStep, StepEnd, StepPlace, StepState } from "./step-records.js";
export {
  type AgentSteps,
  type StepAttempt,
  type StepOptions,
  type StepOutcome,
  type StepVerdict,
  stepFailed,
  type UnknownStep,
} from "./steps.js";
export { credentialRefused, type SecretAlarm, type UsedCredential, type UseSecretOptions } from "./use-secret.js";
