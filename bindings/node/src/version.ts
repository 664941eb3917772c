/** Version of the package; a test compares it with the native module's. */
export const VERSION = '0.3.0';
