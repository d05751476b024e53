// The drawing library, by its names: everything else imports from here.
export {
  html, render, createContext,
  useState, useReducer, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useErrorBoundary,
} from "./vendor/htm-preact.js";
