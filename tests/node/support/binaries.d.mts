export function binary(name: string, variable: string): string;
export function clearEnvironment(): void;
