export const TOKEN: string;
export function startControlPlane(profile: string): Promise<{ baseUrl: string; stop(): Promise<void> }>;
