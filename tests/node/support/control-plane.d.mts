export const TOKEN: string;
export function startControlPlane(
  profile: string,
  ...options: string[]
): Promise<{ baseUrl: string; stop(): Promise<void>; kill(): Promise<void>; restart(): Promise<string> }>;
